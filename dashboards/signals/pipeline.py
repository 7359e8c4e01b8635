"""Qala itself: rates, lag, delays, rejections of each stage."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Final, Literal

from dashboards.model import Signal
from dashboards.signals import forms
from dashboards.signals.forms import grouping, subselect, within
from dashboards.signals.liveness import SINK, STREAMS

CURRENT_S: Final = 60
"""A figure that its writer told longer ago than this is not current."""
RATE_S: Final = 150
"""A rate is of this long: counters come every few seconds, of a simulated past once a minute."""
LAG_TOPICS: Final = ("telemetry", "rollups", "alerts", "devices")
"""Topics that the InfluxDB sink reads, of each of which it tells its lag."""
Stage = Literal["streams", "sink-influx", "bridge", "dead-letters"]

_SOURCE: Final = forms.raw("pipeline")
_WRITER: Final[dict[Stage, tuple[str, ...]]] = {
    "streams": ("partition",),
    "sink-influx": ("instance",),
    "bridge": ("instance", "reader"),
    "dead-letters": ("reason", "writer", "reader"),
}


def _of(stage: Stage) -> str:
    return f"\"stage\" = '{stage}'"


@cache
def rate(
    stage: Stage, field: str, title: str, unit: str = "1/s", *, by: tuple[str, ...] = ()
) -> Signal:
    """How fast a counter of a stage rises, over all copies of it. A restart begins at 0.

    The rise from row to row, and not from interval to interval: an interval that has only
    begun would look like a fall.
    """
    writer = _WRITER[stage]
    each = subselect(
        f'non_negative_derivative("{field}", 1s) AS "rate"',
        _SOURCE,
        *forms.kept_raw(),
        _of(stage),
        group=grouping(writer),
    )
    means = subselect(
        'mean("rate") AS "rate"', f"({each})", "$timeFilter", group=forms.in_intervals(writer)
    )
    total = forms.select('sum("rate")', f"({means})", "$timeFilter", group=forms.in_intervals(by))
    return Signal(
        name="_".join([stage.replace("-", "_"), field, "rate", *by]),
        title=title,
        query=total,
        unit=unit,
        kind="history",
        measurement="pipeline",
        description=f"{title}, {unit}.",
        by=by,
    )


@cache
def gauge(stage: Stage, field: str, title: str, unit: str, *, by: tuple[str, ...] = ()) -> Signal:
    """A figure of a stage over time: its highest in each interval."""
    return Signal(
        name="_".join([stage.replace("-", "_"), field, "over_time", *by]),
        title=title,
        query=forms.select(
            f'max("{field}")',
            _SOURCE,
            *forms.kept_raw(),
            _of(stage),
            group=forms.in_intervals(by),
        ),
        unit=unit,
        kind="history",
        measurement="pipeline",
        description=f"{title}: the highest in each interval.",
        by=by,
    )


def _now(
    name: str, title: str, unit: str, query: str, stage: Stage, *, bound_s: int = CURRENT_S
) -> Signal:
    return Signal(
        name=name,
        title=title,
        query=query,
        unit=unit,
        kind="now",
        measurement="pipeline",
        description=f"{title}, as told in the last {bound_s} s.",
        liveness=STREAMS if stage == "streams" else SINK,
        bound_s=bound_s,
    )


@cache
def rate_now(stage: Stage, field: str, title: str) -> Signal:
    """How fast a counter of a stage has risen lately (`RATE_S`), over all copies."""
    each = subselect(
        f'non_negative_derivative("{field}", 1s) AS "rate"',
        _SOURCE,
        _of(stage),
        within(RATE_S),
        group=grouping(_WRITER[stage]),
    )
    means = subselect('mean("rate") AS "rate"', f"({each})", group=grouping(_WRITER[stage]))
    query = forms.select('sum("rate")', f"({means})")
    return _now(
        f"{stage.replace('-', '_')}_{field}_now", title, "1/s", query, stage, bound_s=RATE_S
    )


@cache
def highest_now(stage: Stage, field: str, title: str, unit: str) -> Signal:
    """A figure of a stage now: the highest of its copies."""
    each = subselect(
        f'last("{field}") AS "last"',
        _SOURCE,
        _of(stage),
        within(CURRENT_S),
        group=grouping(_WRITER[stage]),
    )
    query = forms.select('max("last")', f"({each})")
    return _now(f"{stage.replace('-', '_')}_{field}_highest", title, unit, query, stage)


@cache
def total_now(stage: Stage, field: str, title: str, unit: str) -> Signal:
    """A figure of a stage now, of which each copy tells its own part: the sum."""
    each = subselect(
        f'last("{field}") AS "last"',
        _SOURCE,
        _of(stage),
        within(CURRENT_S),
        group=grouping(_WRITER[stage]),
    )
    query = forms.select('sum("last")', f"({each})")
    return _now(f"{stage.replace('-', '_')}_{field}_total", title, unit, query, stage)


@cache
def each_now(stage: Stage, field: str, title: str, unit: str) -> Signal:
    """A figure of each partition, or of each copy of a stage, now."""
    by = _WRITER[stage][:1]
    query = forms.last_value(_SOURCE, field, _of(stage), within(CURRENT_S), by=by)
    return replace(
        _now(f"{stage.replace('-', '_')}_{field}_each", title, unit, query, stage), by=by
    )


@cache
def told(stage: Stage, field: str, by: tuple[str, ...] = (), *, but: str = "") -> Signal:
    """When a stage last told a figure; by all copies of it except ``but``."""
    without = (f"\"instance\" != '{but}'",) if but else ()
    return Signal(
        name="_".join([stage.replace("-", "_"), field, "told", *by]),
        title="Told",
        query=forms.last_value(
            _SOURCE, field, _of(stage), *without, within(forms.RAW_KEEP_S), by=by
        ),
        unit="",
        kind="age",
        measurement="pipeline",
        description="When it was last told of.",
        by=by,
        bound_s=forms.RAW_KEEP_S,
    )
