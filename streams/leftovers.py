"""What a state still owes when it is dropped and its log cannot tell it again.

Windows that are open in it would never close, and alerts that are on would never be resolved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from schemas.measurements import late_shift_ns
from schemas.records import WINDOW_MS, Alert, Rollup, RollupValue, Throughput
from streams.partition import Partition
from streams.site import Site
from streams.state import SiteState, State
from streams.summaries import human_number
from streams.windows import CELLS, LEVELS, SPANS_MS, Accumulator, Series

_EVER_MS: Final = 2**62

Given = dict[tuple[int, int], Accumulator]
"""Windows of one series by level and start (ms), as they were given out."""


def leftover_shift_ns(fence: int, window_ms: int) -> int:
    """How far after its window's start the partial of a dropped state stands, in ns.

    ``fence`` is the offset that the state stood at. It is counted from the window's end, where
    neither the old log's late partials nor the new log's are: theirs are counted from its start.
    """
    return late_shift_ns(-1 - fence, window_ms)


def given_after(rows: Iterable[RollupValue], state: State) -> list[Rollup | Throughput]:
    """Those of ``rows`` that the worker gave out after it had kept ``state``: its last words.

    They hold more than the state does. Late partials are rows of their own, and left out.
    """
    clocks = {site.name: site.clock for site in state.sites}
    found: list[Rollup | Throughput] = []
    for row in rows:
        if not isinstance(row, Rollup | Throughput) or row.site not in clocks:
            continue
        clock = clocks[row.site]
        late = isinstance(row, Rollup) and row.shift
        until_ms = clock.watermark_ms if isinstance(row, Rollup) else clock.now_ms
        if not late and row.start + WINDOW_MS[row.window] > until_ms:
            found.append(row)
    return found


def open_windows(
    part: Partition, state: State, given: Iterable[Rollup | Throughput], before_ms: int = _EVER_MS
) -> Iterator[Rollup | Throughput]:
    """Partial rows of all windows that are open in ``state`` and start before ``before_ms``.

    ``part`` has loaded the state, and is of no use afterwards. ``given`` are those of
    `given_after`: they are not given out twice, but are part of the coarser windows.
    """
    by_site: dict[str, list[Rollup | Throughput]] = defaultdict(list)
    for row in given:
        by_site[row.site].append(row)
    for saved in state.sites:
        for row in _of_site(part.sites[saved.name], saved, by_site[saved.name]):
            if row.start < before_ms:
                yield row


def _of_site(
    site: Site, saved: SiteState, given: list[Rollup | Throughput]
) -> Iterator[Rollup | Throughput]:
    told: dict[tuple[str, ...], Given] = defaultdict(dict)
    flows = set()
    for row in given:
        if isinstance(row, Throughput):
            flows.add((row.kind, row.window, row.start))
        else:
            name = (row.device, row.type, *row.tags.values())
            told[name][LEVELS.index(row.window), row.start] = _accumulated(row, site)
    series = [feed for device in site.devices.values() for feed in device.feeds]
    for one in sorted(series, key=lambda feed: feed.name):
        yield from _of_series(one, saved.fence, told.get(one.name, {}))
    for meter in site.meters.values():
        for flow in meter.elapse(_EVER_MS):
            if (flow.kind, flow.window, flow.start) not in flows:
                yield flow


def _of_series(series: Series, fence: int, given: Given) -> Iterator[Rollup]:
    finer: dict[int, Accumulator] = {}
    for level, span in enumerate(SPANS_MS):
        here = {start: _copy(held) for start, held in series.open[level].items()}
        for start, held in finer.items():
            coarser = here.setdefault(start - start % span, _empty(series))
            coarser.merge(held)
        here |= {start: held for (at, start), held in given.items() if at == level}
        for start in sorted(here):
            if (level, start) not in given:
                shift = leftover_shift_ns(fence, span)
                yield series.rollup(level, start, here[start], shift)
        finer = here


def _empty(series: Series) -> Accumulator:
    return Accumulator(len(series.shape.fields))


def _copy(held: Accumulator) -> Accumulator:
    return Accumulator.restore(held.snapshot())


def _accumulated(row: Rollup, site: Site) -> Accumulator:
    feeds = site.devices[row.device].feeds if row.device in site.devices else ()
    names = next((feed.shape.fields for feed in feeds if feed.shape.type == row.type), ())
    made = Accumulator(len(names))
    made.cells[0] = row.count
    for place, name in enumerate(names):
        if name in row.fields:
            begin = 1 + place * CELLS
            made.cells[begin : begin + CELLS] = row.fields[name]
    return made


def ends_of_alerts(
    kept: Iterable[Alert], told: Iterable[Alert], clock_ms: int
) -> Mapping[str, Alert]:
    """By its id, the end of each alert that is on.

    ``kept`` are the ends of those that are on in a state, ``told`` the last records of all
    alerts, which may be newer. ``clock_ms`` is the log's clock of the state, 0 where there is
    none: the same state and records give the same ends.
    """
    found = {one.id: _worded(one) for one in kept}
    for alert in told:
        mine = found.get(alert.id)
        if alert.state == "resolved":
            found.pop(alert.id, None)
        elif mine is None or mine.ordinal <= alert.ordinal:
            found[alert.id] = _worded(
                msgspec.structs.replace(
                    alert,
                    state="resolved",
                    at=max(alert.at, clock_ms),
                    ordinal=alert.ordinal + 1,
                    fired=alert.fired or alert.state == "firing",
                )
            )
    return found


def _worded(end: Alert) -> Alert:
    value = f"{human_number(end.value)} {end.unit}".rstrip()
    summary = (
        f"what was known of {end.device} at {end.site} was reset, and rule {end.rule} begins "
        f"anew there; last value {value}"
    )
    return msgspec.structs.replace(end, summary=summary)
