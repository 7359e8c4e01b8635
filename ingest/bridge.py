"""The bridge: MQTT to Kafka, as long as it is wanted."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import structlog
from prometheus_client import CollectorRegistry

from ingest.acks import AckQueue
from ingest.claim import Claim
from ingest.clocks import WrongClocks
from ingest.decode import PayloadDecoder
from ingest.errors import IngestError, MqttError, MqttRefusedError
from ingest.intake import Intake
from ingest.metrics import BridgeCounts
from ingest.mqtt import MqttLink, connect_mqtt
from ingest.mqtt_options import MqttOptions
from ingest.persons import PersonKey
from ingest.producer import LogWriter, open_writer
from ingest.roster import Roster
from ingest.settings import BridgeSettings
from ingest.subscriber import Subscriber, unsubscribe_all, until_empty
from schemas.clock import Clock
from schemas.connections import KafkaConnection, MqttConnection
from schemas.readiness import Readiness

_SLOW_S: Final = 2.0
"""A record older than this makes the bridge say that it waits for Kafka."""
_FIRST_PAUSE_S: Final = 0.1

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")


async def run_bridge(
    settings: BridgeSettings,
    *,
    mqtt: MqttConnection,
    kafka: KafkaConnection,
    clock: Clock,
    key: PersonKey,
    readiness: Readiness,
    registry: CollectorRegistry,
    stop: asyncio.Event,
) -> None:
    """Carry messages from MQTT to Kafka until ``stop`` is set, then drain and leave.

    Raises:
        SessionTakenOverError: another bridge has started with the same id.
        MqttRefusedError: the broker has never let this client in, and won't.
        MqttUntrustedError: the same, by its certificate.
        KafkaRefusedError: Kafka has never let this client in, and won't.
    """
    counts = BridgeCounts()
    registry.register(counts)
    bridge = Bridge(settings, mqtt, kafka, clock, key, readiness, counts, stop)
    try:
        await bridge.run()
    finally:
        registry.unregister(counts)


class _StopError(Exception):
    """``stop`` was set while something was waited for."""


class Bridge:
    """One bridge, or (see `ingest.adoption`) what stands in for one; ``ticks`` where it does."""

    ticks = True

    def __init__(  # noqa: PLR0917 - two callers, here and in `ingest.adoption`
        self,
        settings: BridgeSettings,
        mqtt: MqttConnection,
        kafka: KafkaConnection,
        clock: Clock,
        key: PersonKey,
        readiness: Readiness,
        counts: BridgeCounts,
        stop: asyncio.Event,
    ) -> None:
        self.settings = settings
        self.mqtt = mqtt
        self._kafka = kafka
        self._clock = clock
        self._key = key
        self._readiness = readiness
        self.counts = counts
        self._stop = stop
        self._decoder = PayloadDecoder(key.pseudonym, WrongClocks())
        token = secrets.token_hex(8)
        self._claim = Claim(mqtt, settings.client_id, token)
        self._subscriber = Subscriber(readiness, counts)
        self._roster = Roster(
            mqtt, settings.client_id, token, readiness, on_others=self._subscriber.members
        )
        self._writer: LogWriter | None = None
        self._link: MqttLink | None = None
        self._acks: AckQueue | None = None
        self._failures = 0
        self._told = ""

    async def run(self) -> None:
        """Connect, serve, and connect again with growing pauses, until ``stop``."""
        roster = asyncio.get_running_loop().create_task(self._roster.run())
        try:
            await self._run()
        finally:
            roster.cancel()
            await asyncio.gather(roster, return_exceptions=True)

    async def _run(self) -> None:
        self._readiness.waiting("kafka", "connecting")
        self._readiness.waiting("mqtt", "connecting")
        try:
            while not self._stop.is_set():
                try:
                    await self._serve()
                    break
                except _StopError:
                    break
                except IngestError as exc:
                    was_let_in = exc.refusal and self.counts.connections
                    if not exc.retryable and not was_let_in:
                        raise
                    await self._pause(exc)
        finally:
            if self._writer is not None:
                await self._writer.close()

    async def _pause(self, error: IngestError) -> None:
        part = "mqtt" if isinstance(error, MqttError) else "kafka"
        self._readiness.waiting(part, str(error))
        ceiling = min(self.settings.reconnect_max_s, _FIRST_PAUSE_S * 2.0**self._failures)
        pause_s = ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
        self._failures = min(self._failures + 1, 16)
        if str(error) != self._told:
            self._told = str(error)
            _log.warning("waiting, and trying again", part=part, why=self._told)
        try:
            await self._unless_stopped(asyncio.sleep(pause_s))
        except _StopError:
            return

    async def _serve(self) -> None:
        """One connection, from Kafka's being there to the end of the MQTT connection."""
        writer = await self._ready_writer()
        await self._unless_stopped(self._claim.assert_ours())
        await self._unless_stopped(self._roster.seen())
        # a broker may send more than it was told to: Mosquitto 2.0.11 does, of what has waited
        acks = AckQueue(self.settings.receive_max, self._hold_back)
        intake = Intake(
            writer,
            acks=acks,
            bridge=self.settings.id,
            decoder=self._decoder,
            key=self._key,
            clock=self._clock,
            counts=self.counts,
        )
        link = await self._unless_stopped(
            connect_mqtt(self.mqtt, self._options(), on_publish=intake.receive)
        )
        self._link, self._acks = link, acks
        self._hold_back()
        intake.acks.open(self.acknowledger(link))
        self.counts.outstanding = lambda: len(intake.acks)
        self.counts.backlog_bytes = lambda: writer.backlog.bytes
        try:
            await self.work(link, writer, intake)
        except _StopError:
            await self._drain(link, writer, intake)
            raise
        finally:
            link.fail(MqttError("the bridge left the connection"))  # where it is still open
            self._link = self._acks = None
            self._subscriber.end()
            writer.seal()  # an envelope never holds messages of two connections
            intake.acks.close()

    def acknowledger(self, link: MqttLink) -> Callable[[list[int]], None]:
        """What takes the packet ids of messages that are in Kafka."""
        return link.ack

    async def work(self, link: MqttLink, writer: LogWriter, intake: Intake) -> None:  # noqa: ARG002 - adoption looks at it
        """What is done on one connection; it is over where this returns."""
        self._readiness.waiting("mqtt", "subscribing; what has waited comes before the answer")
        begin = asyncio.get_running_loop().create_task(self._subscriber.begin(link))
        await self._watch(link, writer, begin, beat=self._look_at_kafka)
        follow = asyncio.get_running_loop().create_task(self._subscriber.follow(link))
        await self.carry(link, writer, until=follow)  # it is done no sooner than the link

    async def _ready_writer(self) -> LogWriter:
        """A writer that has nothing left of an earlier connection: its messages come again."""
        writer = self._writer
        if writer is not None:
            settled = await self._unless_stopped(writer.settle(self.settings.kafka_give_up_s))
            if settled and not writer.failed.done():
                return writer
            self._writer = None
            await writer.close()
        self._writer = await self._unless_stopped(
            open_writer(
                self._kafka,
                settings=self.settings,
                clock=self._clock,
                turned=self._hold_back,
                counts=self.counts,
                key=self._key,
            )
        )
        self._readiness.working("kafka")
        return self._writer

    async def carry(
        self,
        link: MqttLink,
        writer: LogWriter,
        *,
        until: asyncio.Task[None] | None = None,
    ) -> None:
        """Tick and watch; returns when ``until`` is done.

        Raises:
            IngestError: the connection has ended, or Kafka has failed.
            _StopError: ``stop`` is set.
        """
        self.counts.connections += 1
        self._readiness.working("mqtt")
        _log.info("carrying from MQTT to Kafka", mqtt=str(self.mqtt), kafka=str(self._kafka))
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            await self._watch(link, writer, until, beat=self._beat)
        finally:
            if loop.time() - began_s > self.settings.reconnect_max_s:
                self._failures = 0  # what fails again at once is the same trouble, and said once
                self._told = ""

    async def _watch(
        self,
        link: MqttLink,
        writer: LogWriter,
        until: asyncio.Task[None] | None,
        *,
        beat: Callable[[LogWriter], None],
    ) -> None:
        """Call ``beat`` every second, until ``until`` is done or the connection is over."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        stopped = loop.create_task(self._stop.wait())
        ends: set[asyncio.Future[Any]] = {stopped, link.closed, writer.failed}
        ends |= {until} if until is not None else set()
        try:
            while not any(end.done() for end in ends):
                beat(writer)
                due_s = max(due_s + self.settings.tick_s, loop.time())
                await asyncio.wait(
                    ends, timeout=due_s - loop.time(), return_when=asyncio.FIRST_COMPLETED
                )
        finally:
            for task in (stopped, until):
                if task is not None:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
        if writer.failed.done():
            self.counts.kafka_failures += 1
            raise writer.failed.result()
        ended = until is not None and until.done() and not until.cancelled()
        why = until.exception() if until is not None and ended else None
        if isinstance(why, MqttRefusedError):
            raise why  # some brokers close the connection with it
        if link.closed.done():
            self._readiness.waiting("mqtt", "the connection was lost")
            raise link.closed.result() or MqttError("the MQTT connection was closed")
        if until is None or until.cancelled():
            raise _StopError
        until.result()

    def _beat(self, writer: LogWriter) -> None:
        """What is done every second: a tick on each partition, and a look at Kafka's pace."""
        counts = self.counts
        if self.ticks:
            counts.ticks += writer.tick()
            counts.last_tick_us = self._clock.now_us()
        self._look_at_kafka(writer)

    def _look_at_kafka(self, writer: LogWriter) -> None:
        """Say where Kafka is slow, and give up where it is for too long."""
        oldest_s = writer.oldest_s
        if oldest_s > self.settings.kafka_give_up_s:
            writer.give_up(f"nothing for {oldest_s:.0f} s")
        elif oldest_s > _SLOW_S:
            self._readiness.waiting("kafka", "Kafka does not take records; MQTT is held back")
        else:
            self._readiness.working("kafka")

    def _hold_back(self) -> None:
        """Stop reading the socket while too much is on its way to Kafka, in bytes or messages."""
        if self._link is None or self._acks is None or self._writer is None:
            return
        if self._writer.backlog.full or self._acks.full:
            self._link.pause_receiving()
        else:
            self._link.resume_receiving()

    async def _drain(self, link: MqttLink, writer: LogWriter, intake: Intake) -> None:
        """Bring what was received into Kafka, acknowledge it, and disconnect."""
        everything = False
        if self.settings.leave_on_stop:
            everything = await self._had_everything(link, writer, intake)
        link.stop_receiving()
        settled = await writer.settle(self.settings.drain_s)
        if not settled:
            _log.warning(
                "Kafka did not take everything in time; the rest stays in the MQTT session",
                messages=len(intake.acks),
            )
        ended = everything and settled
        await link.disconnect(end_session=ended)
        if ended:
            await self.give_up_id(writer)
        _log.info("left MQTT", session_ended=ended)

    async def give_up_id(self, writer: LogWriter) -> None:
        """Take the claim back, and say in Kafka that the broker keeps nothing for this bridge.

        That either can't be done is no error, but told.
        """
        try:
            await self._claim.release()
        except MqttError as exc:
            _log.warning("the claim to this bridge's id stays at the broker", why=str(exc))
        if not await writer.farewell(self.settings.drain_s):
            _log.warning("boards count this bridge as absent for a day: Kafka takes no records")

    async def _had_everything(self, link: MqttLink, writer: LogWriter, intake: Intake) -> bool:
        """Unsubscribe and take what the broker still has; False where that takes too long."""
        try:
            async with asyncio.timeout(self.settings.drain_s):
                await unsubscribe_all(link)
                await until_empty(link, writer, intake, self.counts)
        except (TimeoutError, MqttError) as exc:
            _log.warning("could not end the MQTT session; it is kept", why=str(exc) or "too slow")
            return False
        return not link.closed.done()

    def _options(self) -> MqttOptions:
        settings = self.settings
        return MqttOptions(
            client_id=settings.client_id,
            clean_start=False,
            session_expiry_s=settings.session_expiry_s,
            receive_max=settings.receive_max,
            keep_alive_s=settings.keep_alive_s,
            connect_timeout_s=settings.connect_timeout_s,
            gather_s=settings.gather_ms / 1000,
        )

    async def _unless_stopped(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The result of ``work``; raises `_StopError` where ``stop`` is set before it is done."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(work)
        stopped = loop.create_task(self._stop.wait())
        try:
            ends: set[asyncio.Future[Any]] = {task, stopped}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise _StopError
        finally:
            stopped.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
