"""The stage ``qala streams``: a worker of the group, until it is told to stop."""

from __future__ import annotations

import asyncio
import fcntl
import socket
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final

import faust
import structlog
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from schemas import group_watch, kafka_watch
from schemas.connections import KafkaConnection
from schemas.errors import ServerAwayError
from schemas.loops import StageLoopPolicy
from schemas.readiness import Readiness
from streams.app import attach, make_app, stop_app
from streams.errors import WorkerError
from streams.metrics import StreamsMetrics
from streams.rulefile import default_rules, load_rules
from streams.settings import StreamsSettings
from streams.store import Store
from streams.worker import Worker

MAX_WORKERS: Final = 256
RETRY_S: Final = 1.0

log = structlog.get_logger("streams")


async def run_streams(
    settings: StreamsSettings,
    *,
    kafka: KafkaConnection,
    readiness: Readiness,
    registry: CollectorRegistry,
    stop: asyncio.Event,
) -> None:
    """Fold the telemetry topic's partitions that the group gives this worker.

    Returns when ``stop`` is set and the state is flushed.

    Raises:
        streams.errors.RuleError: the rules cannot be used.
        streams.errors.StateError: the kept state does not fit the log.
        streams.errors.WorkerError: the worker cannot go on; started again, it continues.
        schemas.errors.StuckClientError: its client of Kafka hangs; started again, it continues.
        schemas.errors.ServerRefusedError: Kafka, or its certificate, does not let us in.
    """
    rules = load_rules(settings.rules or default_rules())
    metrics = StreamsMetrics(registry)
    readiness.waiting("group", "joining the group")
    with _worker_id(settings) as worker_id:
        store = Store(kafka, settings.group)
        if not await _connected(store, readiness, stop):
            return
        try:
            async with kafka_watch.watched_kafka(kafka, readiness):
                # Faust makes the loop of its consumer's thread by the policy
                asyncio.set_event_loop_policy(StageLoopPolicy())
                app = make_app(settings, kafka, worker_id)
                worker = Worker(app, store, rules, settings, readiness, metrics)
                log.info("worker started", worker=worker_id, rules=rules.version)
                watching = group_watch.watch_member(
                    kafka,
                    settings.group,
                    readiness,
                    lambda: worker.awaited,
                    part="kafka client",
                    session_s=settings.session_timeout_s,
                )
                await _run(app, worker, watching, stop)
        finally:
            await store.stop()


async def _run(
    app: faust.App, worker: Worker, watching: Coroutine[Any, Any, None], stop: asyncio.Event
) -> None:
    attach(app, worker.take)
    app.finalize()
    stopping = asyncio.create_task(stop.wait())
    crashed = asyncio.create_task(app.wait_until_stopped())
    # Faust has started only when the first partitions are taken over: that is not waited for
    beside = [asyncio.create_task(_or_fail(worker, work)) for work in (app.start(), watching)]
    try:
        ends: set[asyncio.Future[Any]] = {stopping, crashed, worker.failed}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not worker.failed.done() and not crashed.done():
            await worker.give_up()
    finally:
        await stop_app(app)
        tasks = [stopping, crashed, *beside]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if worker.failed.done():
        failure = worker.failed.exception()
        if isinstance(failure, KafkaError):
            raise WorkerError(f"Kafka did not serve the worker: {failure!r}") from failure
        if failure is not None:
            raise failure
    if not stop.is_set():
        raise WorkerError(f"the stream processor stopped by itself: {app.crash_reason!r}")


async def _or_fail(worker: Worker, work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception as exc:  # noqa: BLE001 -- whatever it is, the process ends with it
        worker.fail(exc)


async def _connected(store: Store, readiness: Readiness, stop: asyncio.Event) -> bool:
    told = None
    while not stop.is_set():
        try:
            await store.start()
        except (ServerAwayError, KafkaError, OSError) as exc:
            away = isinstance(exc, ServerAwayError)
            reason = str(exc) if away else f"Kafka cannot be reached ({type(exc).__name__})"
            if reason != told:
                log.warning("Kafka is waited for", reason=reason)
                told = reason
            readiness.waiting("kafka", reason)
            try:
                await asyncio.wait_for(stop.wait(), RETRY_S)
            except TimeoutError:
                continue
        else:
            readiness.working("kafka")
            return True
    return False


@contextmanager
def _worker_id(settings: StreamsSettings) -> Iterator[str]:
    """An id that no other living worker of this data folder has.

    Kafka gives the partitions of a killed worker at once to one that comes back under its id;
    two living ones under one id would displace each other for ever, hence the lock.
    """
    folder = settings.data / "streams"
    folder.mkdir(parents=True, exist_ok=True)
    host = socket.gethostname()
    names = (
        [settings.worker_id]
        if settings.worker_id
        else [f"{host}-{number}" for number in range(1, MAX_WORKERS + 1)]
    )
    for name in names:
        with (folder / f"{name}.lock").open("w") as lock:
            if _locked(lock.fileno()):
                yield name
                return
    raise WorkerError(
        f"the worker id '{names[0]}' is in use by a living worker of the data folder "
        f"{settings.data}; choose another, or leave it out"
    )


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
