"""What a fold gives: records for the topics behind the worker, and what it counted."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from msgspec import Struct

from schemas import topics
from schemas.deadletters import HEADER_SHA256, HEADER_SIZE, MAX_LETTER_BYTES
from schemas.envelope import Headers
from schemas.records import (
    WORKER_COUNTS,
    Alert,
    DeviceRecord,
    Rollup,
    Throughput,
    WorkerProgress,
    device_key,
    encode,
    rollup_key,
)


class Output(NamedTuple):
    """One record to be produced, to the partition that it was folded from."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers = ()


class Counts(Struct):
    """What a partition has counted since this worker took it over."""

    records: int = 0
    lines: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    unprovable: int = 0
    resets: int = 0
    late: int = 0
    statuses: int = 0
    replies: int = 0
    controls: int = 0
    outages: int = 0
    rollups: int = 0
    alerts: int = 0
    replayed: int = 0


class Outbox:
    """Gathers the outputs of one record's fold."""

    __slots__ = ("counts", "outputs")

    def __init__(self, counts: Counts) -> None:
        """Count into ``counts``."""
        self.counts = counts
        self.outputs: list[Output] = []

    def rollup(self, value: Rollup | Throughput) -> None:
        """A closed window, a late partial, or throughput."""
        self.counts.rollups += 1
        self.outputs.append(Output(topics.ROLLUPS, rollup_key(value), encode(value)))

    def progress(self, partition: int, partitions: int, clock_ms: int, speed: float | None) -> None:
        """How far this partition has come: the last output of the record that brought it there."""
        counts = {name: getattr(self.counts, name) for name in WORKER_COUNTS}
        value = WorkerProgress(
            partition=partition, partitions=partitions, clock=clock_ms, speed=speed, **counts
        )
        self.outputs.append(Output(topics.ROLLUPS, rollup_key(value), encode(value)))

    def alerts(self, changes: list[Alert] | None) -> None:
        """State changes of an alert, if there are any."""
        for change in changes or ():
            self.counts.alerts += 1
            self.outputs.append(Output(topics.ALERTS, change.id.encode(), encode(change)))

    def device(self, record: DeviceRecord) -> None:
        """A device's record."""
        key = device_key(record.site, record.device)
        self.outputs.append(Output(topics.DEVICES, key, encode(record)))

    def dead_letter(self, value: bytes, headers: Headers) -> None:
        """Input that could not be folded, cut where it is longer than a record may be."""
        self.counts.rejected += 1
        if len(value) > MAX_LETTER_BYTES:
            size, digest = b"%d" % len(value), sha256(value).hexdigest().encode()
            headers = (*headers, (HEADER_SIZE, size), (HEADER_SHA256, digest))
            value = value[:MAX_LETTER_BYTES]
        self.outputs.append(Output(topics.DEAD_LETTERS, None, value, headers))
