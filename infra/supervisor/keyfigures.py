"""Which of a stage's metrics are its rate, its lag and its errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """Names of metrics, labels merged: one counter, one gauge, and counters that are added."""

    rate: str
    lag: str | None = None
    errors: tuple[str, ...] = ()


KEY_FIGURES: Final[dict[str, KeyFigures]] = {
    "simulator": KeyFigures("qala_simulator_readings_total", "qala_simulator_pending"),
    "bridge": KeyFigures(
        "qala_bridge_received_total",
        "qala_bridge_outstanding",
        (
            "qala_bridge_rejected_total",
            "qala_bridge_refused_total",
            "qala_bridge_kafka_failures_total",
        ),
    ),
    "streams": KeyFigures(
        "qala_streams_lines_total", "qala_streams_lag_records", ("qala_streams_rejected_total",)
    ),
    "sink-influx": KeyFigures(
        "qala_sink_influx_received_total",
        "qala_sink_influx_lag_records",
        ("qala_sink_influx_rejected_total", "qala_sink_influx_retries_total"),
    ),
    "sink-chat": KeyFigures(
        "qala_sink_chat_received_total",
        None,
        ("qala_sink_chat_rejected_total", "qala_sink_chat_retries_total"),
    ),
}
"""By base name (`bridge-2` is a `bridge`)."""


def errors_of(keys: KeyFigures, figures: Mapping[str, float]) -> float | None:
    """The sum of the error counters, or None where nothing is known of the stage.

    A counter with labels has no samples before its first error: that is none yet.
    """
    if keys.rate not in figures:
        return None
    return sum(figures.get(name, 0.0) for name in keys.errors)
