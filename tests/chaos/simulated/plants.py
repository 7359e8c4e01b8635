"""Owners with a fault planted in them, by which the simulation shows that it can find one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from schemas.envelope import Headers
from streams.outputs import Output
from streams.owner import Owned, Owner
from streams.partition import Partition
from streams.state import encoded
from tests.chaos.simulated.workers import MakeOwner

Taken = list[tuple[Partition, list[Output]]]


class CommitsFirst(Owner):
    """Commits before the state is written."""

    async def _flush_in_order(self, owned: Owned) -> None:
        state = owned.partition.snapshot()
        await owned.outflow.reached(owned.outflow.mark)
        await self._commit(owned, state.last + 1)
        await self._keeper.write(owned.partition.number, state)


class StartsAtCommit(Owner):
    """Goes on at the committed offset instead of the oldest one in the state."""

    async def _load(self, numbers: Sequence[int], partitions: int) -> Taken:
        taken = await super()._load(numbers, partitions)
        group: Any = self._group
        for partition, _ in taken:
            partition.last = group.committed(partition.number) - 1
        return taken


class CommitsFirstAndStartsThere(CommitsFirst, StartsAtCommit):
    """Both: what was committed and not written is never read again."""


class WritesStateFirst(Owner):
    """Writes the state while outputs are still on their way."""

    async def _flush_in_order(self, owned: Owned) -> None:
        state = owned.partition.snapshot()
        await self._keeper.write(owned.partition.number, state)
        await owned.outflow.reached(owned.outflow.mark)
        await self._commit(owned, state.last + 1)


class WritesHeaderFirst(Owner):
    """Writes the header before the sites that it vouches for."""

    async def _flush_in_order(self, owned: Owned) -> None:
        state = owned.partition.snapshot()
        number = owned.partition.number
        await owned.outflow.reached(owned.outflow.mark)
        await self._keeper.write(number, msgspec.structs.replace(state, sites=[]))
        await self._keeper.write(number, state)
        await self._commit(owned, state.last + 1)


class LosesFences(Owner):
    """Folds into a site again what its state has already."""

    async def _load(self, numbers: Sequence[int], partitions: int) -> Taken:
        taken = await super()._load(numbers, partitions)
        for partition, _ in taken:
            for site in partition.sites.values():
                site.fence = partition.last
        return taken


class SharesSnapshot(Owner):
    """Encodes a snapshot only when it is written: the fold has gone on meanwhile."""

    async def _flush_in_order(self, owned: Owned) -> None:
        state = owned.partition.snapshot()
        await owned.outflow.reached(owned.outflow.mark)
        for saved in state.sites:
            site = owned.partition.sites[saved.name]
            saved.chunks = [part for chunk in site.snapshot() for part in encoded(chunk)]
        await self._keeper.write(owned.partition.number, state)
        await self._commit(owned, state.last + 1)


class TakesAnyOffset(Owner):
    """Folds whatever comes next, whichever offset was expected."""

    async def take(  # noqa: PLR0917 -- as the owner's
        self,
        number: int,
        generation: int,
        offset: int,
        timestamp_ms: int,
        value: bytes | None,
        headers: Headers,
    ) -> None:
        owned = self._owned.get(number)
        if owned is not None and offset > owned.next:
            owned.partition.last = offset - 1
        await super().take(number, generation, offset, timestamp_ms, value, headers)


class TakesAnyGeneration(Owner):
    """Folds records that were fetched in an older generation of the group."""

    async def take(  # noqa: PLR0917 -- as the owner's
        self,
        number: int,
        generation: int,
        offset: int,
        timestamp_ms: int,
        value: bytes | None,
        headers: Headers,
    ) -> None:
        owned = self._owned.get(number)
        if owned is not None:
            generation = owned.generation
        await super().take(number, generation, offset, timestamp_ms, value, headers)


class IgnoresRefusal(Owner):
    """Goes on with a partition whose commit the group has refused."""

    async def _commit(self, owned: Owned, offset: int) -> None:
        await super()._commit(owned, offset)
        owned.alive = owned.alive or not self.failed.done()


HARMFUL: Final[tuple[MakeOwner, ...]] = (
    CommitsFirstAndStartsThere,
    StartsAtCommit,
    WritesStateFirst,
    WritesHeaderFirst,
    LosesFences,
    SharesSnapshot,
    TakesAnyOffset,
)
HARMLESS: Final[tuple[MakeOwner, ...]] = (CommitsFirst, TakesAnyGeneration, IgnoresRefusal)
"""Faults elsewhere, none here: nobody reads from the commit, and outputs are a function of the log.

So a commit may come too early, and a worker that is fenced may go on: what it folds is the
record at the offset that it expects, whoever fetched it.
"""
