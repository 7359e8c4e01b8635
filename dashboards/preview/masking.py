"""What may be shown as current: the rule that Grafana's expressions carry out, for us.

A current value counts only while what it depends on is live (`dashboards.model.Liveness`).
It fails closed: no answer, an empty one, one without a number and one below the limit all
mean that nothing is known, whatever the value's own query says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboards.draw import Missing
from dashboards.model import LIVE_ABOVE, Signal
from dashboards.preview.errors import UnmaskedError
from schemas.influxql import Series

Key = tuple[str, ...]
"""Which series a value belongs to: the values of the signal's tags, in their order."""


def live_share(answer: Sequence[Series]) -> float | None:
    """The share of partitions that are live, as a liveness query answers; None for no answer."""
    values = [value for series in answer for value in _column(series, "value")]
    return values[-1] if values else None


def is_live(answer: Sequence[Series]) -> bool:
    """Whether what a liveness query asks for is live, by its answer."""
    share = live_share(answer)
    return share is not None and share > LIVE_ABOVE


def current(
    signal: Signal, answer: Sequence[Series], liveness: Sequence[Series]
) -> Mapping[Key, float] | Missing:
    """The values of a ``now`` signal that may be shown, by series; or why there are none.

    Raises:
        UnmaskedError: the signal isn't one of current values, or names no liveness.
    """
    if signal.kind != "now" or signal.liveness is None:
        raise UnmaskedError(
            f"signal {signal.name!r} has no liveness and can't be shown as current; name what "
            "vouches for it"
        )
    if not is_live(liveness):
        return Missing("unknown")
    found = {
        key_of(signal, series): values[-1]
        for series in answer
        if (values := _column(series, "value"))
    }
    return found or Missing("no data")


def newest(signal: Signal, answer: Sequence[Series]) -> Mapping[Key, int]:
    """The time (ms since 1970) of the newest row of each series of an ``age`` signal."""
    return {
        key_of(signal, series): max(times)
        for series in answer
        if (times := [int(time) for time in _column(series, "time")])
    }


def key_of(signal: Signal, series: Series) -> Key:
    """Which series of a signal it is."""
    return tuple(series.tags.get(tag, "") for tag in signal.by)


def _column(series: Series, name: str) -> list[float]:
    """The numbers of a column, without what is no number."""
    if name not in series.columns:
        return []
    place = series.columns.index(name)
    return [float(row[place]) for row in series.rows if isinstance(row[place], int | float)]
