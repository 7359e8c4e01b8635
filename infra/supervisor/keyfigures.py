"""Which of a stage's metrics are its rate, its lag, what it rejected and what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """Names of metrics, labels merged: a counter, a gauge, and two more counters.

    ``unit`` is what the first one counts, in the singular. ``rejected`` counts dead letters, which
    are the input's fault; ``failures`` what a server did not take, and was tried again.
    """

    rate: str
    unit: str
    lag: str | None = None
    rejected: tuple[str, ...] = ()
    failures: str | None = None


KEY_FIGURES: Final[dict[str, KeyFigures]] = {
    "simulator": KeyFigures("qala_simulator_readings_total", "reading", "qala_simulator_pending"),
    "bridge": KeyFigures(
        "qala_bridge_received_total",
        "reading",
        "qala_bridge_outstanding",
        ("qala_bridge_rejected_total", "qala_bridge_refused_total"),
        "qala_bridge_kafka_failures_total",
    ),
    "streams": KeyFigures(
        "qala_streams_lines_total",
        "reading",
        "qala_streams_lag_records",
        ("qala_streams_rejected_total",),
    ),
    "sink-influx": KeyFigures(
        "qala_sink_influx_received_total",
        "row",
        "qala_sink_influx_lag_records",
        ("qala_sink_influx_rejected_total",),
        "qala_sink_influx_retries_total",
    ),
    "sink-chat": KeyFigures(
        "qala_sink_chat_received_total",
        "message",
        None,
        ("qala_sink_chat_rejected_total",),
        "qala_sink_chat_retries_total",
    ),
}
"""By base name (`bridge-2` is a `bridge`)."""


def rejected_of(keys: KeyFigures, figures: Mapping[str, float]) -> float | None:
    """How much input became dead letters, None where nothing is known of it."""
    return _counted(keys, keys.rejected, figures)


def failures_of(keys: KeyFigures, figures: Mapping[str, float]) -> float | None:
    """How often a server did not take something, None where nothing is known of it."""
    names = () if keys.failures is None else (keys.failures,)
    return _counted(keys, names, figures)


def _counted(keys: KeyFigures, names: Sequence[str], figures: Mapping[str, float]) -> float | None:
    # a counter with labels has no samples before its first one: that is none yet
    if not names or keys.rate not in figures:
        return None
    return sum(figures.get(name, 0.0) for name in names)
