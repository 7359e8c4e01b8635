"""A whole page: one HTML file that needs nothing else, and may load nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from dashboards.draw.html import Html, el, join, raw

# What a page may do, said to the browser: run and show what is in it, and fetch nothing.
_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
)
_LIBRARY: Final = ("server", "static", "js", "bokeh.min.js")


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead to another page."""

    words: str
    href: str
    here: bool = False


@dataclass(frozen=True, slots=True)
class Badge:
    """Whether something is live, in words."""

    words: str
    live: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around the panels of a page."""

    title: str
    about: str
    boards: Sequence[Link]
    path: Sequence[Link]
    links: Sequence[Link]
    badges: Sequence[Badge]
    range_words: str
    drawn_words: str
    simulated: str | None = None


def page(frame: Frame, panels: Sequence[Html], script: Html | None) -> str:
    """The file's text; ``script`` draws the figures, and None says that there are none."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{frame.title} · Qala"),
        el("style", raw(_style())),
        el("script", raw(_library())) if script is not None else None,
    )
    body = el(
        "body",
        el("p", frame.simulated, class_="ribbon", role="note") if frame.simulated else None,
        _top(frame),
        _head(frame),
        el("main", *panels, class_="grid"),
        el("p", _FOOT, class_="foot"),
        script,
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en')}\n"


_FOOT: Final = (
    "Times are UTC. Drag over a chart to look closer, at all charts of the page together. "
    "“unknown”: Qala can't say it now. “no data”: nothing came in. "
    "The page is a picture of its moment and doesn't renew itself."
)


def _top(frame: Frame) -> Html:
    links = (
        el("a", link.words, href=link.href, aria_current="page" if link.here else None)
        for link in frame.boards
    )
    return el(
        "nav", el("span", "Qala", class_="mark"), el("div", *links, class_="boards"), class_="top"
    )


def _head(frame: Frame) -> Html:
    steps: list[Html | str] = []
    for link in frame.path:
        steps += [el("a", link.words, href=link.href), " › "]
    badges = (
        el("span", b.words, class_="badge", data_live="yes" if b.live else "no")
        for b in frame.badges
    )
    return el(
        "header",
        el(
            "div",
            el("p", join(*steps), class_="path") if steps else None,
            el("h1", frame.title),
            el("p", frame.about, *_beside(frame.links), class_="about"),
        ),
        el(
            "div",
            el("div", *badges, class_="badges", role="status"),
            el("span", f"{frame.range_words} · drawn {frame.drawn_words}"),
            class_="right",
        ),
        class_="head",
    )


def _beside(links: Sequence[Link]) -> Iterator[Html | str]:
    for link in links:
        yield " · "
        yield el("a", link.words, href=link.href)


@cache
def _style() -> str:
    return files("dashboards.draw").joinpath("style.css").read_text(encoding="utf-8")


@cache
def _library() -> str:
    # Bokeh's own file; `</script` in it would end the element that holds it
    text = files("bokeh").joinpath(*_LIBRARY).read_text(encoding="utf-8")
    return text.replace("</script", "<\\/script")
