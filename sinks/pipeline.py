"""The sink's own rows: what it counts, how far behind it is, and when bridges last ticked."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.lineprotocol import pipeline_row

_MOST_DELAYS = 10_000


class PipelineReport:
    """Gathers one interval's figures; `rows` writes them and begins the next interval.

    A delay runs from the bridge's receive time of an envelope's first reading to InfluxDB's
    204. Bridges on a simulated clock have no delay and no age that would mean anything.
    """

    def __init__(self, instance: str) -> None:
        self._tags = {"stage": "sink-influx", "instance": instance}
        self._delays_s: list[float] = []
        self._tick_ms: dict[str, int] = {}

    def delay(self, seconds: float) -> None:
        """One envelope was written ``seconds`` after the bridge received its first reading."""
        if len(self._delays_s) < _MOST_DELAYS:
            self._delays_s.append(seconds)

    def tick(self, bridge: str, at_ms: int) -> None:
        """A tick of ``bridge`` was read, which Kafka got at ``at_ms``."""
        if at_ms > self._tick_ms.get(bridge, 0):
            self._tick_ms[bridge] = at_ms

    def rows(self, now_ns: int, counters: Mapping[str, float], lag: Mapping[str, int]) -> list[str]:
        """One row of the sink, and one for each bridge that has ticked.

        ``lag`` is in records by topic: ``qala.telemetry.v1`` becomes ``lag_telemetry``.
        """
        fields = dict(counters)
        fields |= {f"lag_{topic.split('.')[1]}": count for topic, count in lag.items()}
        if self._delays_s:
            ordered = sorted(self._delays_s)
            fields["delay_p50_s"] = ordered[len(ordered) // 2]
            fields["delay_p99_s"] = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
            self._delays_s.clear()
        rows = [pipeline_row(self._tags, fields, now_ns)]
        for bridge, at_ms in self._tick_ms.items():
            age_s = max(0.0, now_ns / 1e9 - at_ms / 1e3)
            rows.append(
                pipeline_row(self._tags | {"bridge": bridge}, {"tick_age_s": age_s}, now_ns)
            )
        return rows
