"""What stands around a page's panels: menu, way back, liveness, times, where data are from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from dashboards.boards import signals_of
from dashboards.draw import age, moment, say, span
from dashboards.draw.page import Badge, Frame
from dashboards.draw.page import Link as PageLink
from dashboards.model import Board, Liveness, Signal
from dashboards.preview.masking import is_live, live_share, newest
from dashboards.preview.pages import Map, Page, single
from dashboards.preview.view import Answers
from dashboards.signals.liveness import SINK, STREAMS, sink_tick, worker_tick


class Simulated(NamedTuple):
    """How many of the devices of which anything was told in the range are simulated."""

    devices: int
    all_devices: int

    @property
    def words(self) -> str:
        """What stands above a page: that nothing is real only where every device is simulated."""
        if self.devices and self.devices == self.all_devices:
            return "SIMULATED DATA · no device, person or place here is real"
        if not self.devices:
            return "CONTAINS SIMULATED DATA"  # of devices whose states have expired
        return f"CONTAINS SIMULATED DATA · {self.devices} of {self.all_devices} devices"


_TICKS: Final = ((STREAMS, worker_tick), (SINK, sink_tick))
_MS: Final = 1000


def frame_of(page: Page, pages: Map, answers: Answers, *, simulated: Simulated | None) -> Frame:
    """The frame of one page."""
    view = answers.view
    drawn = moment(view.end_ms) + (" (a chosen moment)" if view.past else "")
    return Frame(
        title=page.title,
        about=" ".join([page.board.description, *_left_out(page, pages)]),
        boards=tuple(_menu(page, pages)),
        path=tuple(_way_back(page, pages)),
        links=tuple(_links(page, pages)),
        badges=tuple(badges(page.board, answers)),
        range_words=f"last {span(view.range_s)}",
        drawn_words=drawn,
        simulated=simulated.words if simulated else None,
    )


def _left_out(page: Page, pages: Map) -> Iterator[str]:
    """On a site's page: that some of its devices have none, and how to have them."""
    if set(page.chosen) != {"site"}:
        return
    count = pages.left_out_of(page.chosen["site"])
    if count:
        has = "device has" if count == 1 else "devices have"
        yield f"{count} {has} no page: --devices {pages.devices} draws all."


def badges(board: Board, answers: Answers) -> Iterator[Badge]:
    """For each thing that the board's current values depend on: whether it is live."""
    needed = {signal.liveness for panel in board.panels for signal in signals_of(panel)}
    for liveness, tick in _TICKS:
        if liveness in needed:
            yield _badge(liveness, tick, answers)


def _badge(liveness: Liveness, tick: Signal, answers: Answers) -> Badge:
    asked = answers.to(liveness)
    ticks = newest(tick, answers.to(tick)).values()
    age_s = (answers.view.end_ms - max(ticks)) / _MS if ticks else None
    if is_live(asked):
        return Badge(f"{liveness.title} live: last tick {age(age_s or 0)}", live=True)
    share = live_share(asked)
    if share:
        why = f"only {say(share, '1')} of the partitions tick"
    else:
        why = "no tick yet" if age_s is None else f"no tick for {span(age_s)}"
    return Badge(f"{liveness.title} UNKNOWN: {why}", live=False)


def _menu(page: Page, pages: Map) -> Iterator[PageLink]:
    for other in pages.pages:
        if not other.chosen:
            yield PageLink(other.board.title, other.name, other.board == page.board)


def _way_back(page: Page, pages: Map) -> Iterator[PageLink]:
    """From the city over the site to what is shown: boards that choose less of the same."""
    needed = single(page.board)
    for length in range(len(needed)):
        chosen = {name: page.chosen[name] for name in needed[:length]}
        for other in pages.pages:
            if other.chosen == chosen:
                yield PageLink(other.title, other.name)
                break


def _links(page: Page, pages: Map) -> Iterator[PageLink]:
    """The board's own links that lead to a page with just what they ask for."""
    for link in page.board.links:
        filled = {
            name: value.strip("{}") and page.chosen.get(value.strip("{}"), "")
            for name, value in link.variables.items()
        }
        href = pages.href(link.board, filled)
        if href is not None:
            yield PageLink(link.title, href)
