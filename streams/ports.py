"""What an owner of partitions needs of Kafka: where it keeps things, and the consumer group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from streams.outputs import Output
from streams.state import State
from streams.takeover import LogView


class Keeper(Protocol):
    """Where outputs and state are kept; `streams.store.Store` is the one on Kafka."""

    async def send(self, partition: int, outputs: Sequence[Output]) -> None:
        """Returns when the outputs are kept for good."""

    async def write(self, partition: int, state: State) -> None:
        """Returns when a flush is kept for good: its sites, and last its header."""

    async def load(self, partitions: Iterable[int]) -> dict[int, dict[bytes, bytes]]:
        """The last value of each key of the state, by partition."""

    async def look_at_log(self, offsets: Mapping[int, int | None]) -> dict[int, LogView]:
        """What each partition of the telemetry holds, with the mark at an offset."""


class Group(Protocol):
    """The consumer group, as far as an owner speaks to it."""

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        """Commit the next offset of each partition; False where they are not ours any more."""

    async def seek(self, partition: int, offset: int) -> None:
        """Let the next record of a partition be the one at ``offset``."""
