"""`qala up` and `qala servers up`: everything from the first process to the last."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiohttp
import structlog

from infra.logs import set_up_logs
from infra.native import check_port_free
from infra.provision import provision
from infra.servers import native_servers
from infra.supervisor.display import Display
from infra.supervisor.identity import identify
from infra.supervisor.ownership import base_name, owned, stop_leftovers
from infra.supervisor.plan import (
    STOP_ORDER,
    Plan,
    addresses,
    server_spec,
    simulator_spec,
    stage_specs,
)
from infra.supervisor.records import (
    SUPERVISOR,
    ProcessRecord,
    log_file,
    remove_record,
    rotate,
    stopping,
    write_record,
)
from infra.supervisor.run import Supervisor

LEFTOVER_PATIENCE_S: Final = 15.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_log = structlog.stdlib.get_logger()


async def run_up(plan: Plan, display: Display, *, servers_only: bool = False) -> None:
    """Run the plan until SIGINT or SIGTERM, then stop it in order.

    Raises:
        AlreadyRunningError: another supervisor has the data folder.
        PortInUseError: another program has a port.
        SupervisorError: something can't be started; what was started is stopped.
    """
    with owned(plan.data) as folder:
        log = log_file(plan.data, SUPERVISOR)
        log.parent.mkdir(parents=True, exist_ok=True)
        rotate(log)
        with log.open("a", encoding="utf-8") as stream:
            set_up_logs(stream, process=SUPERVISOR)
            me = ProcessRecord(
                name=SUPERVISOR, state="ready", since=time.time(), process=identify(os.getpid())
            )
            await stop_leftovers(folder, STOP_ORDER, display.say, patience_s=LEFTOVER_PATIENCE_S)
            write_record(folder, me)
            try:
                await _run(plan, folder, me, display, servers_only=servers_only)
            finally:
                remove_record(folder, me)


async def _run(
    plan: Plan, folder: Path, me: ProcessRecord, display: Display, *, servers_only: bool
) -> None:
    supervisor = Supervisor(plan.data, folder, display.changed)
    interrupted = _on_signals(supervisor, display, lambda: write_record(folder, stopping(me)))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3.0)) as session:
        try:
            started = time.monotonic()
            starting = _start_servers(plan, supervisor, display)
            if await _unless(interrupted, starting) and not servers_only:
                await _unless(interrupted, _start_stages(plan, supervisor, display, session))
            if not interrupted.is_set():
                display.say(f"everything is ready after {time.monotonic() - started:.1f} s")
                for line in addresses(plan, servers_only=servers_only):
                    display.say(line)
                await display.show(supervisor.children, session, interrupted)
        finally:
            await _stop(supervisor, display)


async def _unless(interrupted: asyncio.Event, work: Awaitable[None]) -> bool:
    """Await ``work``, but give it up when interrupted; whether it was done."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.create_task(interrupted.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return False
    task.result()
    return True


async def _start_servers(plan: Plan, supervisor: Supervisor, display: Display) -> None:
    servers = native_servers(plan.data, plan.ports)
    for server in servers:
        check_port_free(server.name, server.port)
    display.say(f"starting {', '.join(server.name for server in servers)} …")
    await supervisor.start([server_spec(server) for server in servers])
    done = await provision(
        plan.ports.kafka_connection(),
        plan.ports.influx_connection(),
        simulated_clock=plan.clock is not None,
    )
    display.say(f"provisioned: {len(done)} things made" if done else "provisioned before")
    for line in done:
        _log.info("provisioned", what=line)


async def _start_stages(
    plan: Plan, supervisor: Supervisor, display: Display, session: aiohttp.ClientSession
) -> None:
    specs = stage_specs(plan, session)
    display.say(f"starting {', '.join(spec.name for spec in specs)} …")
    await supervisor.start(specs)
    if plan.city is not None:
        display.say(f"starting {plan.city} …")
        await supervisor.start([simulator_spec(plan, plan.city, session)])


async def _stop(supervisor: Supervisor, display: Display) -> None:
    """Stop what was started; a cancelled caller waits for it, too: no process is left."""
    if supervisor.children:
        display.say("stopping; a second Ctrl-C kills everything at once")
    started = time.monotonic()
    await supervisor.stop(STOP_ORDER, base_name, display.stopping)
    supervisor.forget()
    if supervisor.children:
        display.say(f"everything is stopped after {time.monotonic() - started:.1f} s")


def _on_signals(
    supervisor: Supervisor, display: Display, note: Callable[[], None]
) -> asyncio.Event:
    interrupted = asyncio.Event()

    def asked(number: signal.Signals) -> None:
        if interrupted.is_set():
            if number != signal.SIGHUP:  # a terminal that is closed meanwhile is in no hurry
                display.say("killing everything")
                supervisor.kill()
            return
        interrupted.set()
        with suppress(OSError):  # whoever wants to know whether it stops asks again
            note()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, asked, number)
    return interrupted
