"""Where a message's lines and dead letters go: what `Intake` asks of its writer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ingest.acks import AckQueue
from ingest.lanes import Headers


class LinePacker(Protocol):
    """Takes the lines of one partition, in order."""

    def add(self, line: bytes, acks: AckQueue | None) -> None:
        """Take a line; the newest message of ``acks`` waits for it."""


class Outlet(Protocol):
    """Takes lines by partition, and dead letters; a `LogWriter` brings them into Kafka."""

    @property
    def partitions(self) -> int:
        """How many the telemetry topic has."""

    @property
    def packers(self) -> Sequence[LinePacker]:
        """One for each partition."""

    def put_letter(
        self, partition: int, value: bytes, headers: Headers, acks: AckQueue | None
    ) -> None:
        """Take a dead letter; the newest message of ``acks`` waits for it."""
