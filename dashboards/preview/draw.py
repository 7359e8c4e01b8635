"""Drawing boards into a folder: which pages, their questions, their frames, their files."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from dashboards.boards import signals_of
from dashboards.draw.page import page as whole_page
from dashboards.influxql import ALL
from dashboards.model import Board, Liveness, Signal
from dashboards.preview.ask import Asker
from dashboards.preview.errors import NoPageError, NoSuchBoardError, PreviewError
from dashboards.preview.frame import Simulated, frame_of
from dashboards.preview.pages import Map, Page, in_turns, single
from dashboards.preview.render import panels_of
from dashboards.preview.view import Answers, View, answer
from dashboards.signals.liveness import sink_tick, worker_tick
from dashboards.signals.simulated import devices_in_range, simulated_in_range
from dashboards.signals.simulated import simulated as marker
from schemas.influxql import Series

_MARKED_S: Final = 3700
_NAMED: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be drawn.

    ``now_ms`` (ms since 1970) is a past moment to look at, None for the present. ``boards``
    are uids, all where empty. ``site`` is a shell pattern for the sites that get pages of
    their own, ``devices`` how many devices do at most, of each site in turn. ``simulated`` says
    that the data are, also where InfluxDB holds no sign of it.
    """

    range_s: int
    now_ms: int | None = None
    boards: Sequence[str] = ()
    site: str = "*"
    devices: int = 24
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A file that was written, and which board it shows."""

    file: Path
    board: str
    title: str


async def map_of(asker: Asker, boards: Sequence[Board], wish: Wish) -> Map:
    """Which pages are to be drawn, and which devices are left out.

    Raises:
        AskError: InfluxDB can't be reached, or refuses a query.
        NoPageError: no site is like the one that is wished for, or nothing has a page.
        NoSuchBoardError: a board is wished for that there isn't.
    """
    chosen = _chosen(boards, wish.boards)
    await asker.knock()
    pages = await _pages(asker, chosen, wish)
    of_devices = [page for page in pages if "device" in page.chosen]
    left_out = in_turns(of_devices)[wish.devices :]
    without = {id(page) for page in left_out}
    drawn = [page for page in pages if id(page) not in without]
    if not drawn:
        raise NoPageError(
            "nothing to draw: InfluxDB holds the state of no device yet, or --devices is 0"
        )
    return Map(drawn, left_out)


async def preview(asker: Asker, pages: Map, wish: Wish, out: Path) -> AsyncIterator[Written]:
    """Draw each page into ``out``, and say so as it is written.

    Raises:
        AskError: InfluxDB can't be reached, or refuses a query.
        PreviewError: ``out`` can't be written.
    """
    simulated = await _simulated(asker, wish)
    for page in pages.pages:
        answers = await answers_for(asker, page.board, _view(wish, page.variables))
        script, panels = panels_of(page, pages, answers)
        frame = frame_of(page, pages, answers, simulated=simulated)
        file = out / page.name
        _write(file, whole_page(frame, panels, script))
        yield Written(file=file, board=page.board.uid, title=page.title)


async def answers_for(asker: Asker, board: Board, view: View) -> Answers:
    """The answers to everything that a board asks, and to what masks it.

    Raises:
        AskError: InfluxDB can't be reached, or refuses a query.
    """
    asked: list[Signal | Liveness] = [worker_tick, sink_tick]
    for panel in board.panels:
        for signal in signals_of(panel):
            asked.append(signal)
            asked += [one for one in (signal.liveness, signal.zero_by) if one is not None]
    if board.annotations is not None:
        asked.append(board.annotations)
    return await answer(asker, view, asked)


async def _simulated(asker: Asker, wish: Wish) -> Simulated | None:
    """How much of it comes from the simulator: its mark is there at least once an hour."""
    view = _view(replace(wish, range_s=max(wish.range_s, _MARKED_S)), {})
    asked = (marker.query, simulated_in_range.query, devices_in_range.query)
    marks, some, every = [await asker.ask(view.fill(query)) for query in asked]
    if not (wish.simulated or marks or some):
        return None
    return Simulated(_number(some), _number(every))


def _number(answer: Sequence[Series]) -> int:
    """The one number of an answer; 0 where there is none."""
    return next((int(value) for series in answer for _time, value in series.rows), 0)


def _view(wish: Wish, variables: Mapping[str, str | Sequence[str]]) -> View:
    # the present is taken anew for each page: drawing many takes longer than a tick is fresh
    return View(
        variables=variables,
        end_ms=time.time_ns() // 1_000_000 if wish.now_ms is None else wish.now_ms,
        range_s=wish.range_s,
        past=wish.now_ms is not None,
    )


def _chosen(boards: Sequence[Board], uids: Sequence[str]) -> list[Board]:
    known = {board.uid for board in boards}
    for uid in uids:
        if uid not in known:
            raise NoSuchBoardError(
                f"there is no board {uid!r}; there are {', '.join(sorted(known))}"
            )
    return [board for board in boards if not uids or board.uid in uids]


async def _pages(asker: Asker, boards: Sequence[Board], wish: Wish) -> list[Page]:
    pages: list[Page] = []
    for board in boards:
        found: list[dict[str, str]] = [{}]
        for name in single(board):
            found = [
                {**chosen, name: value}
                for chosen in found
                for value in await _values(asker, board, wish, name, chosen)
            ]
        pages += [Page(board=board, chosen=chosen) for chosen in found]
    return pages


async def _values(
    asker: Asker, board: Board, wish: Wish, name: str, chosen: Mapping[str, str]
) -> list[str]:
    """The values that a variable may have where others are chosen already.

    Raises:
        NoPageError: no site is like the one that is wished for.
    """
    variable = next(known for known in board.variables if known.name == name)
    everything = {known.name: ALL for known in board.variables}
    answer = await asker.ask(_view(wish, everything | dict(chosen)).fill(variable.query))
    found = {str(row[series.columns.index("value")]) for series in answer for row in series.rows}
    values = sorted(found)
    if name != "site":
        return values
    matching = [value for value in values if fnmatchcase(value, wish.site)]
    if values and not matching:
        raise NoPageError(f"no site is like '{wish.site}'; there are {_some(values)}")
    return matching


def _some(names: Sequence[str]) -> str:
    """The first of ``names``, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise PreviewError(
            f"{file} cannot be written ({exc.strerror}); name another folder with --out"
        ) from exc
