"""The Faust application: group, assignment and the one agent; everything else is ours.

Values are raw bytes, events are never acknowledged through Faust, and its tables and windows
are not used: the worker commits when its state is in Kafka (docs/decisions/0003).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import faust
import structlog
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from faust.types import EventT, StreamT
from faust.types.auth import CredentialsT
from mode.threads import WorkerThread

from schemas.connections import KafkaConnection
from schemas.topics import TELEMETRY
from streams.settings import StreamsSettings

HEARTBEAT_S = 1.5
REBALANCE_S = 10.0
REQUEST_S = 20.0
NEVER_S = 3600.0
BUFFERED_RECORDS = 256
"""Records that wait for the fold: at 64 KiB each, a bound of 16 MiB."""

STOP_S = 10.0
"""So long Faust may take to stop; without Kafka it would wait for what Kafka owes it."""
THREAD_END_S = 2.0

Take = Callable[[EventT[Any]], Awaitable[None]]


log = structlog.get_logger("streams.app")


class LeavableThread(WorkerThread):
    """The thread of Faust's consumer, which no process waits for without end.

    It sends the heartbeats: a process that hung for it would stay a member that reads nothing.
    """

    def __init__(self, service: AIOKafkaConsumerThread, **named: Any) -> None:
        """Let the process end with this thread still there."""
        super().__init__(service, **named)
        self.daemon = True

    def stop(self) -> None:
        """Wait for the thread's end, for as long as that may take."""
        self.join(THREAD_END_S)


class StandingConsumer(Consumer):
    """Faust's consumer, which stands where the take-over has put it."""

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return AIOKafkaConsumerThread(
            self, loop=self.loop, beacon=self.beacon, Worker=LeavableThread
        )

    async def perform_seek(self) -> None:
        """Nothing: a take-over commits where it stands and seeks there itself.

        Faust asks Kafka once more at this point. Where no answer comes within `REQUEST_S`, it
        takes that for its own end and handles no assignment any more, without a word.
        """


def make_app(settings: StreamsSettings, kafka: KafkaConnection, instance_id: str) -> faust.App:
    """A fresh application of the group, for one worker.

    Raises:
        schemas.errors.ConnectionSettingError: the security settings are not whole.
    """
    app = faust.App(
        settings.group,
        broker=[f"kafka://{host.strip()}" for host in kafka.bootstrap.split(",")],
        broker_credentials=_credentials(kafka),
        broker_client_id=f"qala-streams-{instance_id}",
        consumer_group_instance_id=instance_id,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=settings.fetch_max_bytes,
        broker_check_crcs=False,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_rebalance_timeout=REBALANCE_S,
        broker_request_timeout=REQUEST_S,
        broker_commit_interval=NEVER_S,
        broker_commit_livelock_soft_timeout=NEVER_S,
        stream_buffer_maxsize=BUFFERED_RECORDS,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        redirect_stdouts=False,
        key_serializer="raw",
        value_serializer="raw",
        datadir=settings.data / "streams",
    )
    transport: Any = app.transport  # names its consumer as a constant of the class
    transport.Consumer = StandingConsumer
    return app


def attach(app: faust.App, take: Take) -> None:
    """Declare the agent that hands every event of the telemetry topic to ``take``."""
    telemetry = app.topic(
        TELEMETRY, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )

    async def fold(stream: StreamT[bytes]) -> None:
        untyped: Any = stream  # its type doesn't name noack()
        async for event in untyped.noack().events():
            await take(event)

    app.agent(telemetry, name="qala.telemetry")(fold)


async def stop_app(app: faust.App) -> None:
    """Stop the application, or what of it can be stopped within `STOP_S`."""
    stopping = asyncio.create_task(app.stop())
    try:
        async with asyncio.timeout(STOP_S):
            await asyncio.shield(stopping)
    except TimeoutError:
        log.warning("Faust did not stop in time; its threads end with the process")
        stopping.cancel()


def _credentials(kafka: KafkaConnection) -> CredentialsT | None:
    args = kafka.client_args()
    context = args.get("ssl_context")
    if kafka.security.startswith("SASL"):
        return faust.SASLCredentials(
            username=args["sasl_plain_username"],
            password=args["sasl_plain_password"],
            mechanism=args["sasl_mechanism"],
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)
