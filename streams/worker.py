"""The worker: what Faust assigns is loaded, folded, flushed and given up again.

The one rule that makes it safe: the owner of a partition reads from the oldest offset in its
state on, whatever is committed. A stale worker can write a stale state; that costs the next
owner a longer replay and nothing else, because outputs are a function of the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import faust
import structlog
from faust.types import TP, EventT

from schemas.envelope import Headers
from schemas.readiness import Readiness
from schemas.topics import TELEMETRY
from streams import state as states
from streams.errors import WorkerError
from streams.metrics import StreamsMetrics
from streams.outflow import Outflow
from streams.outputs import Output
from streams.partition import Partition
from streams.rules import RuleSet
from streams.settings import StreamsSettings
from streams.store import Store
from streams.takeover import take_up

GIVE_UP_FLUSH_S: Final = 2.0
SEEK_EVERY_S: Final = 1.0
MAX_SEEKS: Final = 20

log = structlog.get_logger("streams.worker")


class Owned:
    """One partition while it is ours: its fold, its outputs on the way, its flush."""

    def __init__(self, partition: Partition, generation: int, outflow: Outflow) -> None:
        """Take a partition over, in the group's ``generation``."""
        self.partition = partition
        self.generation = generation
        self.outflow = outflow
        self.alive = True
        self.flush: asyncio.Task[None] | None = None
        self.seeks = 0
        self.seek_again_s = 0.0

    @property
    def next(self) -> int:
        """The offset that the fold expects."""
        return self.partition.last + 1


class Worker:
    """Binds the partitions' folds to a Faust application."""

    def __init__(  # noqa: PLR0917 -- the stage's parts, each made by the caller
        self,
        app: faust.App,
        store: Store,
        rules: RuleSet,
        settings: StreamsSettings,
        readiness: Readiness,
        metrics: StreamsMetrics,
    ) -> None:
        """Connect to the application's signals."""
        self._app = app
        self._store = store
        self._rules = rules
        self._settings = settings
        self._readiness = readiness
        self._metrics = metrics
        self._owned: dict[int, Owned] = {}
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # strong references: a signal would forget a bound method
        signals: Any = app  # the types of Faust's signals fit no method
        signals.on_rebalance_complete.connect(self._on_assigned, weak=False)
        signals.on_partitions_revoked.connect(self._on_revoked, weak=False)
        metrics.watch(lambda: [owned.partition.counts for owned in self._owned.values()], self._lag)

    async def take(self, event: EventT[Any]) -> None:
        """Fold one event in, if it is the next of a partition that is ours."""
        message: Any = event.message
        owned = self._owned.get(message.partition)
        if owned is None or not owned.alive or message.generation_id != owned.generation:
            return
        if message.offset != owned.next:
            if message.offset > owned.next:
                await self._seek(owned, message.offset)
            return
        owned.seeks = 0
        try:
            outputs = owned.partition.fold(
                message.offset,
                round(message.timestamp * 1000),
                message.value,
                _headers(message.headers),
            )
            if outputs:
                await owned.outflow.put(outputs)
        except Exception as exc:  # noqa: BLE001 -- in Faust it would fold the same record for ever
            self._fail(exc)
            return
        if owned.partition.due() and (owned.flush is None or owned.flush.done()):
            owned.flush = asyncio.create_task(self._flush_while_due(owned))

    async def give_up(self) -> None:
        """Flush and drop every partition; called before shutdown and at every rebalance."""
        held = [owned for owned in self._owned.values() if owned.alive]
        if held and not self.failed.done():
            flushes = [self._last_flush(owned) for owned in held]
            done, late = await asyncio.wait(
                [asyncio.create_task(flush) for flush in flushes], timeout=GIVE_UP_FLUSH_S
            )
            for task in late:
                task.cancel()
            await asyncio.gather(*done, *late, return_exceptions=True)
        for owned in list(self._owned.values()):
            await self._drop(owned)
        self._owned.clear()

    async def _on_revoked(self, _sender: faust.App, revoked: set[TP], **_: Any) -> None:
        if revoked:
            self._readiness.waiting("group", "the partitions are being assigned anew")
            await self.give_up()

    async def _on_assigned(self, _sender: faust.App, **_: Any) -> None:
        try:
            await self._take_over()
        except Exception as exc:  # noqa: BLE001 -- Faust would log it and go on without state
            self._fail(exc)

    async def _take_over(self) -> None:
        await self.give_up()
        generation = self._app.consumer_generation_id
        numbers = sorted(
            tp.partition for tp in self._app.consumer.assignment() if tp.topic == TELEMETRY
        )
        if not numbers:
            self._readiness.waiting("group", "other workers have all partitions")
            return
        loaded = await self._store.load(numbers)
        kept = {number: states.load(records) for number, records in loaded.items()}
        logs = await self._store.look_at_log(
            {
                number: state.mark.offset if state and state.mark else None
                for number, state in kept.items()
            }
        )
        count = self._app.consumer.topic_partitions(TELEMETRY) or max(numbers) + 1
        made: dict[int, Partition] = {}
        resumed: dict[int, list[Output]] = {}
        for number in numbers:
            made[number] = Partition(number, count, self._rules, self._settings.expected_devices)
            resumed[number] = take_up(made[number], kept[number], logs[number])
        start = {TP(TELEMETRY, number): one.last + 1 for number, one in made.items()}
        if not await self._commit(start):
            log.warning("the group went on without us; waiting for the next assignment")
            return
        for number, partition in made.items():
            outflow = Outflow(
                number,
                self._store.send,
                linger_ms=self._settings.output_linger_ms,
                waiting_max=self._settings.outputs_waiting_max,
            )
            outflow.start()
            await outflow.put(resumed[number])
            self._owned[number] = Owned(partition, generation, outflow)
        self._readiness.working("group")
        log.info("partitions taken over", partitions=numbers, generation=generation)

    async def _flush_while_due(self, owned: Owned) -> None:
        """Flush, and again where a flush fell due meanwhile: the log may stand still after that."""
        while owned.alive and owned.partition.due():
            await self._flush(owned)

    async def _flush(self, owned: Owned) -> None:
        state = owned.partition.snapshot()
        mark = owned.outflow.mark
        try:
            await owned.outflow.reached(mark)
            await self._store.write(owned.partition.number, state)
            if not owned.alive:
                return
            self._metrics.flushes += 1
            if not await self._commit({TP(TELEMETRY, owned.partition.number): state.last + 1}):
                log.warning(
                    "the commit was refused: the partition is another worker's now",
                    partition=owned.partition.number,
                )
                owned.alive = False
        except asyncio.CancelledError:
            raise
        except Exception as exc:  # noqa: BLE001 -- whatever it is, the process ends with it
            self._fail(exc)

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

    async def _commit(self, offsets: dict[TP, int]) -> bool:
        # This one tells the truth: False when the group has gone on without us. An unassigned
        # partition would crash the consumer's thread.
        consumer: Any = self._app.consumer
        assigned = consumer.assignment()
        if not all(tp in assigned for tp in offsets):
            return False
        return bool(await consumer._commit(offsets))  # noqa: SLF001 -- no public twin

    async def _seek(self, owned: Owned, found: int) -> None:
        # what was fetched before a seek keeps coming for a moment: only rounds count
        now_s = asyncio.get_running_loop().time()
        if now_s < owned.seek_again_s:
            return
        owned.seek_again_s = now_s + SEEK_EVERY_S
        owned.seeks += 1
        if owned.seeks > MAX_SEEKS:
            self._fail(
                WorkerError(
                    f"partition {owned.partition.number} of {TELEMETRY} gives offset {found} where "
                    f"{owned.next} is expected: the records between were deleted; see the "
                    "retention of the topic"
                )
            )
            return
        await self._app.consumer.seek(TP(TELEMETRY, owned.partition.number), owned.next)

    def _lag(self) -> dict[int, int]:
        behind = {}
        for number, owned in self._owned.items():
            end = self._app.consumer.highwater(TP(TELEMETRY, number))
            if owned.alive and end is not None:
                behind[number] = max(0, end - owned.next)
        return behind

    def _fail(self, exc: BaseException) -> None:
        if not self.failed.done():
            self.failed.set_exception(exc)
        for owned in self._owned.values():
            owned.alive = False


def _headers(found: Mapping[str, bytes] | Headers | None) -> tuple[tuple[str, bytes], ...]:
    if not found:
        return ()
    return tuple(found.items()) if isinstance(found, Mapping) else tuple(found)
