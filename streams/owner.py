"""What the owner of partitions does, whoever assigns them: load, fold, flush, give up.

The one rule that makes it safe: the owner of a partition reads from the oldest offset in its
state on, whatever is committed. A stale worker can write a stale state; that costs the next
owner a longer replay and nothing else, because outputs are a function of the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from schemas.envelope import Headers
from schemas.topics import TELEMETRY
from streams import state as states
from streams.errors import WorkerError
from streams.metrics import StreamsMetrics
from streams.outflow import Outflow
from streams.outputs import Output
from streams.partition import Partition
from streams.ports import Group, Keeper
from streams.rules import RuleSet
from streams.settings import StreamsSettings
from streams.takeover import take_up

GIVE_UP_FLUSH_S: Final = 2.0
SEEK_EVERY_S: Final = 1.0
MAX_SEEKS: Final = 20

log = structlog.get_logger("streams.owner")


class Owned:
    """One partition while it is ours: its fold, its outputs on the way, its flush."""

    def __init__(self, partition: Partition, generation: int, outflow: Outflow) -> None:
        """Take a partition over, in the group's ``generation``."""
        self.partition = partition
        self.generation = generation
        self.outflow = outflow
        self.alive = True
        self.flush: asyncio.Task[None] | None = None
        self.flushing = asyncio.Lock()
        self.seeks = 0
        self.seek_again_s = 0.0

    @property
    def next(self) -> int:
        """The offset that the fold expects."""
        return self.partition.last + 1


class Owner:
    """The partitions that are ours.

    ``failed`` ends with the first error after which the process can't go on; nothing is
    folded or written from then on.
    """

    def __init__(
        self,
        keeper: Keeper,
        group: Group,
        rules: RuleSet,
        settings: StreamsSettings,
        metrics: StreamsMetrics,
    ) -> None:
        """Begin with no partition."""
        self._keeper = keeper
        self._group = group
        self._rules = rules
        self._settings = settings
        self._metrics = metrics
        self._owned: dict[int, Owned] = {}
        self._giving_up = asyncio.Lock()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def owned(self) -> tuple[Owned, ...]:
        """The partitions that were taken over and not given up since."""
        return tuple(self._owned.values())

    async def take_over(self, numbers: Sequence[int], partitions: int, generation: int) -> bool:
        """Load these of all ``partitions``; False where the group has gone on without us.

        What was held before must have been given up (`give_up`).

        Raises:
            StateError: the kept state cannot be read, or is not of this log.
            aiokafka.errors.KafkaError: Kafka did not give what it keeps.
        """
        taken = await self._load(numbers, partitions)
        if not await self._group.commit({one.number: one.last + 1 for one, _ in taken}):
            log.warning("the group went on without us; waiting for the next assignment")
            return False
        for partition, resumed in taken:
            outflow = Outflow(
                partition.number,
                self._keeper.send,
                linger_ms=self._settings.output_linger_ms,
                waiting_max=self._settings.outputs_waiting_max,
            )
            outflow.start()
            await outflow.put(resumed)
            self._owned[partition.number] = Owned(partition, generation, outflow)
            # who fetches may stand elsewhere, and in a log that stands still nothing would say so
            await self._group.seek(partition.number, partition.last + 1)
        log.info("partitions taken over", partitions=list(numbers), generation=generation)
        return True

    async def take(  # noqa: PLR0917 -- called for each record: keywords cost more
        self,
        number: int,
        generation: int,
        offset: int,
        timestamp_ms: int,
        value: bytes | None,
        headers: Headers,
    ) -> None:
        """Fold one record in, if it is the next of a partition that is ours."""
        owned = self._owned.get(number)
        if owned is None or not owned.alive or generation != owned.generation:
            return
        if offset != owned.next:
            if offset > owned.next:
                await self._seek(owned, offset)
            return
        owned.seeks = 0
        try:
            outputs = owned.partition.fold(offset, timestamp_ms, value, headers)
            if outputs:
                await owned.outflow.put(outputs)
        except Exception as exc:  # noqa: BLE001 -- raised, it would bring the same record for ever
            self.fail(exc)
            return
        if owned.partition.due() and (owned.flush is None or owned.flush.done()):
            owned.flush = asyncio.create_task(self._flush_while_due(owned))

    async def give_up(self) -> None:
        """Flush and drop every partition; called before shutdown and at every rebalance."""
        async with self._giving_up:  # both may come at once
            held = [owned for owned in self._owned.values() if owned.alive]
            if held and not self.failed.done():
                flushes = [asyncio.create_task(self._last_flush(owned)) for owned in held]
                await asyncio.wait(flushes, timeout=GIVE_UP_FLUSH_S)
                for task in flushes:
                    task.cancel()
                await asyncio.gather(*flushes, return_exceptions=True)
            for number, owned in list(self._owned.items()):
                await self._drop(owned)
                if self._owned[number] is owned:
                    del self._owned[number]

    def fail(self, exc: BaseException) -> None:
        """Stop everything: `failed` ends with the first error that is given here."""
        if not self.failed.done():
            self.failed.set_exception(exc)
        for owned in self._owned.values():
            owned.alive = False

    async def _load(
        self, numbers: Sequence[int], partitions: int
    ) -> list[tuple[Partition, list[Output]]]:
        """Each partition as its kept state says, with what the load itself gives out."""
        kept = {
            number: states.load(records)
            for number, records in (await self._keeper.load(numbers)).items()
        }
        logs = await self._keeper.look_at_log(
            {
                number: state.mark.offset if state and state.mark else None
                for number, state in kept.items()
            }
        )
        taken = []
        for number in numbers:
            made = Partition(number, partitions, self._rules, self._settings.expected_devices)
            taken.append((made, take_up(made, kept[number], logs[number])))
        return taken

    async def _flush_while_due(self, owned: Owned) -> None:
        """Flush, and again where a flush fell due meanwhile: the log may stand still after that."""
        while owned.alive and owned.partition.due():
            await self._flush(owned)

    async def _flush(self, owned: Owned) -> None:
        """One flush at a time, and none after one that was cut short.

        A snapshot holds only what changed since the one before it. Without that one in Kafka,
        its header would vouch for sites that nobody wrote.
        """
        async with owned.flushing:
            if not owned.alive:
                return
            try:
                await self._flush_in_order(owned)
            except asyncio.CancelledError:
                owned.alive = False
                raise
            except Exception as exc:  # noqa: BLE001 -- whatever it is, the process ends with it
                self.fail(exc)

    async def _flush_in_order(self, owned: Owned) -> None:
        """Outputs, then state, then the commit: each only when the one before it is in Kafka."""
        state = owned.partition.snapshot()
        await owned.outflow.reached(owned.outflow.mark)
        await self._keeper.write(owned.partition.number, state)
        await self._commit(owned, state.last + 1)

    async def _commit(self, owned: Owned, offset: int) -> None:
        if not owned.alive:
            return
        self._metrics.flushes += 1
        if not await self._group.commit({owned.partition.number: offset}):
            log.warning(
                "the commit was refused: the partition is another worker's now",
                partition=owned.partition.number,
            )
            owned.alive = False

    async def _last_flush(self, owned: Owned) -> None:
        if owned.flush is not None:
            await asyncio.gather(owned.flush, return_exceptions=True)
        if owned.alive and owned.partition.folded:
            await self._flush(owned)

    async def _drop(self, owned: Owned) -> None:
        owned.alive = False
        if owned.flush is not None and not owned.flush.done():
            owned.flush.cancel()
            await asyncio.gather(owned.flush, return_exceptions=True)
        await owned.outflow.stop()
        self._metrics.keep(owned.partition.counts)

    async def _seek(self, owned: Owned, found: int) -> None:
        # what was fetched before a seek keeps coming for a moment: only rounds count
        now_s = asyncio.get_running_loop().time()
        if now_s < owned.seek_again_s:
            return
        owned.seek_again_s = now_s + SEEK_EVERY_S
        owned.seeks += 1
        if owned.seeks > MAX_SEEKS:
            self.fail(
                WorkerError(
                    f"partition {owned.partition.number} of {TELEMETRY} gives offset {found} where "
                    f"{owned.next} is expected: the records between were deleted; see the "
                    "retention of the topic"
                )
            )
            return
        await self._group.seek(owned.partition.number, owned.next)
