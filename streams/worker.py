"""The worker: hands what Faust assigns and reads to the owner of the partitions.

Faust keeps the group, the assignment and the reading; what is done with them is in
`streams.owner`, which knows no Faust.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import faust
import structlog
from faust.types import TP, EventT

from schemas.envelope import Headers
from schemas.group_watch import Wait
from schemas.readiness import Readiness
from schemas.topics import TELEMETRY
from streams.metrics import StreamsMetrics
from streams.owner import Owner
from streams.rules import RuleSet
from streams.settings import StreamsSettings
from streams.store import Store

log = structlog.get_logger("streams.worker")


class Worker:
    """Binds an owner of partitions to a Faust application."""

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
        self._readiness = readiness
        self._owner = Owner(store, self, rules, settings, metrics)
        self.failed = self._owner.failed
        self._settled: int | None = None
        """The generation whose partitions are all taken over."""
        self._commits: dict[int, None] = {}
        """Commits without an answer: their numbers, the oldest first."""
        self._commit_number = 0
        # strong references: a signal would forget a bound method
        signals: Any = app  # the types of Faust's signals fit no method
        signals.on_rebalance_complete.connect(self._on_assigned, weak=False)
        signals.on_partitions_revoked.connect(self._on_revoked, weak=False)
        metrics.watch(lambda: [owned.partition.counts for owned in self._owner.owned], self._lag)

    async def take(self, event: EventT[Any]) -> None:
        """Fold one event in, if it is the next of a partition that is ours."""
        message: Any = event.message
        await self._owner.take(
            message.partition,
            message.generation_id,
            message.offset,
            round(message.timestamp * 1000),
            message.value,
            _headers(message.headers),
        )

    @property
    def awaited(self) -> Wait | None:
        """What the worker waits for: all that the group gives it to be read, or a commit.

        Two commits without an answer hold Faust's thread up, which then reads nothing more.
        """
        untyped: Any = self._app  # its type doesn't name the generation
        generation = untyped.consumer_generation_id
        if self._settled != generation or self._app.rebalancing:
            doing = self._readiness.reasons.get("group", "waiting for Faust to read on")
            return Wait(f"no partitions were read ({doing})", ("settled", self._store.heard))
        for oldest in self._commits:
            return Wait("no offset was taken", ("commit", oldest))
        return None

    async def give_up(self) -> None:
        """Flush and drop every partition; called before shutdown."""
        await self._owner.give_up()

    def fail(self, exc: BaseException) -> None:
        """Let `failed` end with this error, where it has not ended yet."""
        self._owner.fail(exc)

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        """Commit the next offset of each partition; False where they are not ours any more.

        This one tells the truth: False when the group has gone on without us. An unassigned
        partition would crash the consumer's thread.
        """
        consumer: Any = self._app.consumer
        wanted = {TP(TELEMETRY, number): offset for number, offset in offsets.items()}
        assigned = consumer.assignment()
        if not all(tp in assigned for tp in wanted):
            return False
        self._commit_number += 1
        number = self._commit_number
        self._commits[number] = None
        try:
            return bool(await consumer._commit(wanted))  # noqa: SLF001 -- no public twin
        finally:
            del self._commits[number]

    async def seek(self, partition: int, offset: int) -> None:
        """Let the next record of a partition be the one at ``offset``, where it is still ours."""
        tp = TP(TELEMETRY, partition)
        if tp in self._app.consumer.assignment():
            await self._app.consumer.seek(tp, offset)

    async def _on_revoked(self, _sender: faust.App, revoked: set[TP], **_: Any) -> None:
        self._settled = None
        if revoked:
            self._readiness.waiting("group", "the partitions are being assigned anew")
            await self._owner.give_up()

    async def _on_assigned(self, _sender: faust.App, **_: Any) -> None:
        try:
            await self._take_over()
        except Exception as exc:  # noqa: BLE001 -- Faust would log it and go on without state
            self._owner.fail(exc)

    async def _take_over(self) -> None:
        await self._owner.give_up()
        consumer = self._app.consumer
        generation = self._app.consumer_generation_id
        numbers = sorted(tp.partition for tp in consumer.assignment() if tp.topic == TELEMETRY)
        if not numbers:
            self._readiness.waiting("group", "other workers have all partitions")
            self._settled = generation
            return
        self._readiness.waiting("group", f"taking over the partitions {numbers}")
        count = consumer.topic_partitions(TELEMETRY) or max(numbers) + 1
        if await self._owner.take_over(numbers, count, generation):
            self._readiness.working("group")
            self._settled = generation

    def _lag(self) -> dict[int, int]:
        behind = {}
        for owned in self._owner.owned:
            number = owned.partition.number
            end = self._app.consumer.highwater(TP(TELEMETRY, number))
            if owned.alive and end is not None:
                behind[number] = max(0, end - owned.next)
        return behind


def _headers(found: Mapping[str, bytes] | Headers | None) -> tuple[tuple[str, bytes], ...]:
    if not found:
        return ()
    return tuple(found.items()) if isinstance(found, Mapping) else tuple(found)
