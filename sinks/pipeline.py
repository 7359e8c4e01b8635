"""The sink's own rows: what it and the bridges count, and how far behind it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas.lineprotocol import pipeline_row
from schemas.measurements import TICK_LIMIT_S

_MOST_SAMPLES = 10_000
_UNKNOWN = "unknown"


@dataclass(slots=True)
class _Bridge:
    """What this copy has read of one bridge; ``tick_ms`` is 0 without a tick on a real clock.

    ``left_ms`` is when it left for good; an older tick may be read after that.
    """

    tick_ms: int = 0
    left_ms: int = 0
    lines: int = 0
    bytes: int = 0
    envelopes: int = 0

    def ticks(self, now_ns: int) -> dict[str, float]:
        """``present``, where that is known, and the age of its last tick unless it left."""
        if not self.tick_ms:
            return {}
        if self.left_ms >= self.tick_ms:
            return {"present": 0.0}
        age_s = max(0.0, now_ns / 1e9 - self.tick_ms / 1e3)
        return {"tick_age_s": age_s} | ({"present": 1.0} if age_s < TICK_LIMIT_S else {})


class _Samples:
    """Seconds of one interval; the first `_MOST_SAMPLES` of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seconds: list[float] = []

    def add(self, seconds: float) -> None:
        if len(self._seconds) < _MOST_SAMPLES:
            self._seconds.append(seconds)

    def percentiles(self) -> dict[str, float]:
        """``{name}_p50_s`` and ``{name}_p99_s``; begins anew. Nothing where there are none."""
        if not self._seconds:
            return {}
        ordered = sorted(self._seconds)
        self._seconds.clear()
        return {
            f"{self._name}_p50_s": ordered[len(ordered) // 2],
            f"{self._name}_p99_s": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
        }


class PipelineReport:
    """Gathers one interval's figures; `rows` writes them and begins the next interval.

    A delay runs from the bridge's receive time of an envelope's first reading to InfluxDB's
    204, an age from that reading's own time. Bridges on a simulated clock have neither, nor an
    age of their ticks, that would mean anything.

    Counters are those of this process. The first row of each has one of zeros before it, where
    its interval began: whoever takes differences sees the first step, too.
    """

    def __init__(self, instance: str, start_ns: int) -> None:
        self._instance = instance
        self._since_ns = start_ns
        self._delays = _Samples("delay")
        self._ages = _Samples("age")
        self._bridges: dict[str, _Bridge] = {}
        self._letters: Counter[tuple[str, str]] = Counter()
        self._begun: set[frozenset[tuple[str, str]]] = set()

    def delay(self, seconds: float) -> None:
        """An envelope was written ``seconds`` after the bridge received its first reading."""
        self._delays.add(seconds)

    def age(self, seconds: float) -> None:
        """An envelope was written ``seconds`` after its first reading was measured."""
        self._ages.add(max(0.0, seconds))

    def tick(self, bridge: str | None, at_ms: int) -> None:
        """A tick of ``bridge`` was read, which Kafka got at ``at_ms``."""
        known = self._bridge(bridge)
        known.tick_ms = max(known.tick_ms, at_ms)

    def left(self, bridge: str | None, at_ms: int, now_ns: int) -> str:
        """A tick was read by which ``bridge`` left for good; gives the row that says so at once."""
        self.tick(bridge, at_ms)
        known = self._bridge(bridge)
        known.left_ms = max(known.left_ms, at_ms)
        return pipeline_row(self._bridge_tags(bridge or _UNKNOWN), known.ticks(now_ns), now_ns)

    def forget_ticks(self) -> None:
        """Ticks are another copy's to read now: their age here would grow while bridges live."""
        for bridge in self._bridges.values():
            bridge.tick_ms = 0

    def envelope(self, bridge: str | None, lines: int, size: int) -> None:
        """An envelope of ``bridge`` was read: ``lines`` in ``size`` bytes."""
        known = self._bridge(bridge)
        known.envelopes += 1
        known.lines += lines
        known.bytes += size

    def letter(self, reason: str | None, writer: str | None) -> None:
        """A dead letter was read, which names its reason's code and who wrote it."""
        self._letters[reason or _UNKNOWN, writer or _UNKNOWN] += 1

    def _bridge(self, name: str | None) -> _Bridge:
        name = name or _UNKNOWN
        known = self._bridges.get(name)
        if known is None:
            known = self._bridges[name] = _Bridge()
        return known

    def rows(self, now_ns: int, counters: Mapping[str, float], lag: Mapping[str, int]) -> list[str]:
        """Rows of the sink, of each bridge that was heard, and of each sort of dead letters.

        ``lag`` is in records by topic: ``qala.telemetry.v1`` becomes ``lag_telemetry``.
        """
        behind = {f"lag_{topic.split('.')[1]}": float(count) for topic, count in lag.items()}
        gauges = behind | self._delays.percentiles() | self._ages.percentiles()
        own = _tags("sink-influx", instance=self._instance)
        rows = list(self._rows(own, counters, gauges, now_ns))
        for name, bridge in self._bridges.items():
            counts = {"lines": bridge.lines, "bytes": bridge.bytes, "envelopes": bridge.envelopes}
            rows += self._rows(self._bridge_tags(name), counts, bridge.ticks(now_ns), now_ns)
        for (reason, writer), letters in self._letters.items():
            tags = _tags("dead-letters", reason=reason, writer=writer, reader=self._instance)
            rows += self._rows(tags, {"letters": letters}, {}, now_ns)
        self._since_ns = now_ns
        return rows

    def _bridge_tags(self, name: str) -> dict[str, str]:
        return _tags("bridge", instance=name, reader=self._instance)

    def _rows(
        self,
        tags: Mapping[str, str],
        counters: Mapping[str, float],
        gauges: Mapping[str, float],
        now_ns: int,
    ) -> Iterator[str]:
        series = frozenset(tags.items())
        if series not in self._begun:
            self._begun.add(series)
            yield pipeline_row(tags, dict.fromkeys(counters, 0.0), self._since_ns)
        yield pipeline_row(tags, {**counters, **gauges}, now_ns)


def _tags(stage: str, **more: str) -> dict[str, str]:
    return {"stage": stage, **more}
