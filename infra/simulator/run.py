"""``qala simulate``: the city on a clock, published in bursts of a hundredth of a second."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from infra.ledger import Header, LedgerWriter
from infra.simulator.city import describe
from infra.simulator.pace import Run
from infra.simulator.settings import SimulatorSettings
from infra.simulator.summary import Summary
from schemas.clock import Clock
from schemas.connections import MqttConnection
from schemas.readiness import Readiness

_LOG = structlog.get_logger()
_BURST_S: Final = 0.01
_FULL_SPEED_PAUSE_S: Final = 0.001
_OWN_PACE_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 0.25
_DRAIN_S: Final = 30.0
_FLUSH_S: Final = 1.0


async def simulate(
    settings: SimulatorSettings,
    *,
    mqtt: MqttConnection,
    clock: Clock,
    ledger: LedgerWriter | None,
    registry: CollectorRegistry,
    readiness: Readiness,
    stop: asyncio.Event,
) -> Summary:
    """Run a simulated city until its end or ``stop``, then wait for the last PUBACKs.

    ``rate`` and ``seconds`` are in real time; event times run by ``clock``. Every reading that
    was made is sent, also those that devices hold back when the run ends. The ledger is ended
    and closed here.

    Raises:
        MqttError: the broker refuses the simulator for good.
        LedgerError: the ledger cannot be written.
    """
    run = Run(
        settings, mqtt=mqtt, clock=clock, ledger=ledger, registry=registry, readiness=readiness
    )
    if ledger is not None:
        ledger.begin(_header(settings, clock, run.start_us))
    _LOG.info("simulated city starts", city=describe(settings))
    try:
        async with _connected(run) as failed:
            run.send(run.city.statuses("online", run.start_us // 1000))
            await _produce(run, stop, failed)
            run.send(run.city.flush())
            await _drain(run, failed)
            if settings.offline_at_stop:
                run.send(run.city.statuses("offline", clock.now_us() // 1000))
                await _drain(run, failed)
        summary = run.summary(run.elapsed_s())
        if ledger is not None and summary.ok:
            ledger.end(summary.seconds)
    finally:
        if ledger is not None:
            ledger.close()
    _LOG.info("simulated city ends", **summary.as_dict())
    return summary


@contextlib.asynccontextmanager
async def _connected(run: Run) -> AsyncIterator[asyncio.Future[None]]:
    """Every lane's connection; the future fails with the first error that waiting can't mend."""
    tasks = [asyncio.ensure_future(lane.run()) for lane in run.lanes]
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def note(task: asyncio.Future[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and not failed.done():
            failed.set_exception(error)

    for task in tasks:
        task.add_done_callback(note)
    try:
        yield failed
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if failed.done():
            failed.exception()  # whoever waited has raised it
        failed.cancel()


async def _produce(run: Run, stop: asyncio.Event, failed: asyncio.Future[None]) -> None:
    """Burst by burst along the schedule, until the run's end, ``stop`` or a failure."""
    loop = asyncio.get_running_loop()
    pause_s = _pause_s(run.settings)
    flush_at = 0.0
    while not stop.is_set() and not run.ended:
        if failed.done():
            failed.result()
        run.burst()
        run.count()
        if run.ledger is not None and loop.time() >= flush_at:
            run.ledger.flush()
            flush_at = loop.time() + _FLUSH_S
        await asyncio.sleep(pause_s)


def _pause_s(settings: SimulatorSettings) -> float:
    """Between two bursts, in real seconds."""
    if settings.rate is None:
        return _OWN_PACE_PAUSE_S
    if not settings.rate:
        return _FULL_SPEED_PAUSE_S
    return min(max(settings.batch / settings.rate, _BURST_S), _LONGEST_PAUSE_S)


async def _drain(run: Run, failed: asyncio.Future[None]) -> None:
    """Wait until all is acknowledged, at most 30 s."""
    idle = asyncio.ensure_future(_all_idle(run))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            await asyncio.wait((idle, failed), return_when=asyncio.FIRST_COMPLETED)
    run.count()
    if failed.done():
        idle.cancel()
        failed.result()
    if not idle.done():
        idle.cancel()
        _LOG.warning(
            "the broker did not acknowledge everything",
            unacknowledged=run.unacknowledged,
        )


async def _all_idle(run: Run) -> None:
    for lane in run.lanes:
        await lane.idle.wait()


def _header(settings: SimulatorSettings, clock: Clock, start_us: int) -> Header:
    return Header(
        seed=settings.seed,
        settings=settings.model_dump(mode="json"),
        clock=str(clock) if clock.speed is not None else "real",
        start_ms=start_us // 1000,
        boot=start_us // 1_000_000,
    )
