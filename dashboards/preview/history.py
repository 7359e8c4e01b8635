"""Histories as lines and marks: plain data for charts, with gaps where nothing came."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from dashboards.boards.parts import SEVERITIES
from dashboards.draw import Line, Mark, with_gaps
from dashboards.draw.palette import SERIES
from dashboards.draw.series import Beside
from dashboards.model import Shown, Signal, StateTimeline, TimeSeries
from dashboards.preview.masking import Key, key_of, newest
from dashboards.preview.view import Answers
from dashboards.signals.liveness import worker_tick
from schemas.influxql import Series


def series_lines(panel: TimeSeries, answers: Answers) -> list[Line]:
    """The lines of a chart, in the order of its signals and then by name.

    Bars of nothing but zeros can't be seen, and are left out beside others. Of many that are
    stacked, the smallest are one.
    """
    keyed = [
        (shown, key_of(shown.signal, series), series)
        for shown in panel.lines
        for series in sorted(answers.to(shown.signal), key=lambda s: key_of(shown.signal, s))
    ]
    telling = _telling([dict(zip(shown.signal.by, key, strict=True)) for shown, key, _ in keyed])
    labels = {
        (shown.signal.name, key): _label(panel, shown, key, telling) for shown, key, _ in keyed
    }
    lines = [
        replace(
            _line(labels[shown.signal.name, key], shown, series, panel, answers),
            beside=_beside(shown, key, labels),
            limits=shown.steps,
        )
        for shown, key, series in keyed
    ]
    filled = [line for line in lines if line.values]
    if panel.style == "bars":
        none = [replace(line, label="none") for line in filled[:1]]
        seen = [line for line in filled if any(line.values)] or none
        return _fewer(seen) if panel.stacked else seen
    return filled


def _fewer(lines: Sequence[Line]) -> list[Line]:
    """At most as many lines as there are colours: the largest, and the others' sum."""
    if len(lines) <= len(SERIES):
        return list(lines)
    ranked = sorted(lines, key=lambda line: -sum(value or 0 for value in line.values))
    large, small = ranked[: len(SERIES) - 1], ranked[len(SERIES) - 1 :]
    sums: dict[int, float] = {}
    for line in small:
        for time_ms, value in zip(line.times_ms, line.values, strict=True):
            if value is not None:
                sums[time_ms] = sums.get(time_ms, 0.0) + value
    times = sorted(sums)
    label = f"{len(small)} others"
    others = replace(
        small[0], label=label, times_ms=times, values=[sums[time_ms] for time_ms in times]
    )
    return [*(line for line in lines if line in large), others]


def state_lines(panel: StateTimeline, answers: Answers) -> list[Line]:
    """A line of codes for each series of a timeline."""
    signal = panel.states.signal
    found = sorted((key_of(signal, series), series) for series in answers.to(signal))
    telling = _telling([dict(zip(signal.by, key, strict=True)) for key, _ in found])
    return [
        _points(_tags(signal, key, telling) or panel.states.name, series) for key, series in found
    ]


def known_until_ms(answers: Answers) -> int:
    """Up to when states are known: the worker's newest tick, or the end of the range.

    Without it, the last state before the worker stopped would seem to go on until now.
    """
    ticks = newest(worker_tick, answers.to(worker_tick)).values()
    return min(max(ticks, default=answers.view.start_ms), answers.view.end_ms)


def event_marks(signal: Signal | None, answers: Answers) -> list[Mark]:
    """The marks that a board's annotations make on its charts."""
    if signal is None:
        return []
    return [
        Mark(
            int(str(row["time"])),
            str(row.get("summary") or row.get("rule") or ""),
            SEVERITIES.get(str(row.get("severity")), "bad"),
        )
        for row in event_rows(signal, answers)
    ]


def event_rows(signal: Signal, answers: Answers) -> list[dict[str, object]]:
    """The rows of an ``events`` signal with the tags they are grouped by, newest first."""
    rows = [
        {**series.tags, **dict(zip(series.columns, row, strict=True))}
        for series in answers.to(signal)
        for row in series.rows
    ]
    return sorted(rows, key=lambda row: -float(str(row["time"])))


def _line(label: str, shown: Shown, series: Series, panel: TimeSeries, answers: Answers) -> Line:
    joins_ms = max(answers.view.step_of(shown.signal), panel.joins_s * 1000)
    line = with_gaps(_points(label, series), joins_ms)
    colour = shown.colour or SEVERITIES.get(series.tags.get("severity", ""))
    return replace(line, unit=shown.signal.unit, decimals=shown.decimals, colour=colour)


def _beside(shown: Shown, key: Key, labels: Mapping[tuple[str, Key], str]) -> Beside | None:
    """Which line a line is beside: that of the same series."""
    if shown.beside is None:
        return None
    return Beside(labels.get((shown.beside.name, key), ""), shown.name)


def _points(label: str, series: Series) -> Line:
    time, value = series.columns.index("time"), series.columns.index("value")
    rows = [row for row in series.rows if isinstance(row[value], int | float)]
    return Line(label, [int(row[time]) for row in rows], [float(row[value]) for row in rows])


def _telling(places: Sequence[Mapping[str, str]]) -> set[str]:
    """The tags by which series differ; what all of them share needn't be said."""
    tags = {tag for place in places for tag in place}
    return {tag for tag in tags if len({place[tag] for place in places if tag in place}) > 1}


def _tags(signal: Signal, key: Key, telling: Collection[str]) -> str:
    return " · ".join(
        value for tag, value in zip(signal.by, key, strict=True) if value and tag in telling
    )


def _label(panel: TimeSeries, shown: Shown, key: Key, telling: Collection[str]) -> str:
    tags = _tags(shown.signal, key, telling)
    if shown.beside is None and len([each for each in panel.lines if each.beside is None]) == 1:
        return tags or shown.name
    return f"{shown.name} · {tags}" if tags else shown.name
