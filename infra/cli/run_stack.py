"""What `qala up`, `servers` and `provision` do."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Final

from rich.console import Console

from infra.cli.output import console, print_json
from infra.errors import SupervisorError
from infra.provision import make_tokens, provision
from infra.servers import ServerPorts
from infra.settings import STAGE_MODELS, Settings, load_settings
from infra.supervisor.display import Display
from infra.supervisor.ownership import owned, stop_leftovers, supervisor_record
from infra.supervisor.plan import STOP_ORDER, City, Plan
from infra.supervisor.records import run_folder
from infra.supervisor.up import LEFTOVER_PATIENCE_S, run_up
from schemas.clock import SimulatedClock, parse_clock
from schemas.topics import DEFAULT_PARTITIONS
from streams.rulefile import default_rules, load_rules

_STOP_TIMEOUT_S: Final = 120.0
_POLL_S: Final = 0.1


def run_stack(
    *,
    data: Path | None,
    port_offset: int,
    clock: str | None = None,
    bridges: int = 1,
    workers: int = 1,
    city: City | None = None,
    servers_only: bool = False,
    picture: Path | None = None,
) -> None:
    """Run the servers, and the stages unless ``servers_only``, until a signal stops them.

    ``picture`` is where the live screen is kept as an SVG, for documents.
    """
    settings = load_settings(data=data)
    plan = Plan(
        data=settings.data.resolve(),
        ports=ServerPorts.shifted(port_offset),
        bridges=bridges,
        workers=workers,
        city=city,
        clock=_anchored(clock),
    )
    if not servers_only:
        _check(settings)
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    asyncio.run(run_up(plan, Display(plan, out, picture), servers_only=servers_only))


def _anchored(clock: str | None) -> str | None:
    """The clock in its full form, so that all processes of the run agree on it."""
    parsed = parse_clock(clock)
    return str(parsed) if isinstance(parsed, SimulatedClock) else None


def _check(settings: Settings) -> None:
    """Find a wrong setting or rule now, rather than in a stage that starts again and again."""
    load_rules(settings.rules or default_rules())
    for table in STAGE_MODELS:
        settings.stage(table)


def stop_stack(*, data: Path | None) -> None:
    """Stop the supervisor of the data folder, or what a killed one left behind.

    Raises:
        SupervisorError: it doesn't end.
    """
    folder_of = load_settings(data=data).data.resolve()
    record = supervisor_record(run_folder(folder_of))
    out = console()
    if record is not None and record.process is not None:
        if record.state == "stopped":  # a second signal would kill everything at once
            out.print(f"qala up (pid {record.process.pid}) is stopping already; waiting for it …")
        else:
            out.print(f"stopping qala up (pid {record.process.pid}) and all it runs …")
            os.kill(record.process.pid, signal.SIGTERM)
        asyncio.run(_gone(folder_of, record.process.pid))
        out.print("stopped")
        return
    with owned(folder_of) as folder:
        left = asyncio.run(
            stop_leftovers(folder, STOP_ORDER, out.print, patience_s=LEFTOVER_PATIENCE_S)
        )
    out.print("stopped" if left else f"nothing runs on {folder_of}")


async def _gone(data: Path, pid: int) -> None:
    try:
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            while supervisor_record(run_folder(data)) is not None:
                await asyncio.sleep(_POLL_S)
    except TimeoutError as exc:
        raise SupervisorError(
            f"qala up (pid {pid}) has not ended after {_STOP_TIMEOUT_S:.0f} s; look into "
            f"{data / 'logs'}, or end it with `kill -9 {pid}` and run this again"
        ) from exc


def run_provision(
    partitions: int | None, tokens: Path | None, *, data: Path | None, as_json: bool
) -> None:
    """Provision the servers of the settings, with ``tokens`` in a folder, and say what was done."""
    logging.disable()  # what a client logs of an absent Kafka is in our sentence
    settings = load_settings(data=data)

    async def made() -> list[str]:
        done = await provision(
            settings.kafka, settings.influx, partitions=partitions or DEFAULT_PARTITIONS
        )
        return done + (await make_tokens(settings.influx, tokens) if tokens else [])

    done = asyncio.run(made())
    if as_json:
        print_json(done)
        return
    for line in done:
        console().print(line)
    if not done:
        console().print(f"all is there, in Kafka at {settings.kafka} and in {settings.influx}")
