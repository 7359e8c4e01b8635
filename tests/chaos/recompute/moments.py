"""The clock of one partition, record by record: running maxima of the log's timestamps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.chaos.recompute.contract import HOLD_MS, LATENESS_MS, OUTAGE_MS

SLOWEST, FASTEST = 1e-3, 1e6


class LogRecord(NamedTuple):
    """One record of the telemetry topic, as any consumer reads it."""

    partition: int
    offset: int
    timestamp_ms: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Moment(NamedTuple):
    """Where the log's time stands at one record; all in ms.

    ``active_ms`` is the clock without our outages, and before ``hold_ms`` of it no absence is
    judged. ``looks`` says that time went on enough (a second of the active clock, or 10 s) for
    silences and durations to run out, which comes before the record's own lines; ``minute``
    that a minute of the clock began.
    """

    record: int
    now_ms: int
    watermark_ms: int
    active_ms: int
    hold_ms: int
    speed: float
    outage: bool
    looks: bool
    minute: bool


def partitions(records: Iterable[LogRecord]) -> list[list[LogRecord]]:
    """The records of each partition by their offsets, each offset once."""
    found: dict[int, dict[int, LogRecord]] = {}
    for record in records:
        found.setdefault(record.partition, {})[record.offset] = record
    return [[log[offset] for offset in sorted(log)] for _, log in sorted(found.items())]


def moments(log: Sequence[LogRecord]) -> list[Moment]:
    """The moment of every record of one partition."""
    found: list[Moment] = []
    last = Moment(-1, 0, 0, 0, 0, 1.0, outage=False, looks=False, minute=False)
    for place, record in enumerate(log):
        last = _next(last, place, record)
        found.append(last)
    return found


def _next(last: Moment, place: int, record: LogRecord) -> Moment:
    speed = _told_speed(record) or last.speed
    now_ms = max(last.now_ms, record.timestamp_ms)
    passed_ms = now_ms - last.now_ms
    outage = last.now_ms > 0 and passed_ms > OUTAGE_MS * speed
    active_ms = last.active_ms + (0 if outage else passed_ms)
    watermark_ms, hold_ms = last.watermark_ms, last.hold_ms
    if passed_ms:
        watermark_ms = max(watermark_ms, now_ms - int(LATENESS_MS * speed))
    if outage:
        hold_ms = max(hold_ms, active_ms + int(HOLD_MS * speed))
    return Moment(
        record=place,
        now_ms=now_ms,
        watermark_ms=watermark_ms,
        active_ms=active_ms,
        hold_ms=hold_ms,
        speed=speed,
        outage=outage,
        looks=active_ms // 1000 != last.active_ms // 1000
        or now_ms // 10_000 != last.now_ms // 10_000
        or watermark_ms // 10_000 != last.watermark_ms // 10_000,
        minute=now_ms // 60_000 != last.now_ms // 60_000,
    )


def _told_speed(record: LogRecord) -> float | None:
    """What a bridge on a simulated clock says in a header; it holds until another is told."""
    texts = [value for name, value in record.headers if name == "speed"]
    try:
        speed = float(texts[0].decode()) if texts else None
    except ValueError:
        return None
    return speed if speed is not None and SLOWEST <= speed <= FASTEST else None
