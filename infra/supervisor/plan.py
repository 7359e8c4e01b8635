"""What `qala up` runs, in which order it starts, and in which it stops."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import aiohttp

import infra
from infra.native import NativeServer, check_port_free
from infra.servers import ServerPorts
from infra.settings_sources import PROCESS_NAME
from infra.supervisor.figures import waits_for
from infra.supervisor.identity import Identity
from infra.supervisor.ownership import living_bridge
from infra.supervisor.records import log_file, read_probe, run_folder
from infra.supervisor.spec import Check, Rival, Spec
from infra.words import counted

STOP_ORDER: Final = (
    frozenset({"simulator"}),
    frozenset({"bridge"}),
    frozenset({"streams"}),
    frozenset({"sink-influx", "sink-chat"}),
    frozenset({"influxdb"}),
    frozenset({"kafka"}),
    frozenset({"mosquitto"}),
)
"""Each stops after what feeds it, so that a stop leaves little to be done again at the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """What the simulator under `qala up` is asked for, as `qala simulate` takes it.

    Without a ``rate`` (readings a second) each device speaks at its own pace.
    """

    devices: int = 30
    sites: int = 6
    rate: float | None = None
    faults: str = "none"

    def __str__(self) -> str:
        """In words, for whoever starts it."""
        pace = "each at its own pace" if self.rate is None else f"{self.rate:g} readings/s"
        return f"a simulated city of {counted(self.devices, 'device')}, {pace}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Options of one `qala up`; ``clock`` in its full form (START,SPEED,ANCHOR)."""

    data: Path
    ports: ServerPorts
    bridges: int = 1
    workers: int = 1
    city: City | None = None
    clock: str | None = None


def server_spec(server: NativeServer) -> Spec:
    """A native server as a supervised process."""

    async def prepare() -> None:
        check_port_free(server.name, server.port)
        await server.prepare()

    async def check(_identity: Identity) -> str | None:
        return None if await server.ready() else f"no answer on port {server.port} yet"

    return Spec(
        name=server.name,
        argv=server.argv,
        env=server.env,
        folder=server.folder,
        log=server.log,
        prepare=prepare,
        check=check,
        address=f"127.0.0.1:{server.port}",
        stop_signal=server.stop_signal,
        stop_timeout_s=server.stop_timeout_s,
        ready_timeout_s=server.ready_timeout_s,
    )


def stage_specs(plan: Plan, session: aiohttp.ClientSession) -> list[Spec]:
    """Bridges, workers and sinks; they may start side by side."""
    clock = ("--clock", plan.clock) if plan.clock else ()
    specs = []
    for n in range(1, plan.bridges + 1):
        # the next run may have fewer: a session without its bridge would keep its share
        leave = ("--leave",) if n > 1 else ()
        words = ("--id", str(n), *leave, *clock)
        bridge = _stage(plan, session, _copy("bridge", n), "bridge", *words)
        specs.append(replace(bridge, rival=_rival(run_folder(plan.data), str(n))))
    specs += [
        _stage(plan, session, _copy("streams", n), "streams") for n in range(1, plan.workers + 1)
    ]
    specs.append(_stage(plan, session, "sink-influx", "sink", "influx"))
    specs.append(_stage(plan, session, "sink-chat", "sink", "chat"))
    return specs


def simulator_spec(plan: Plan, city: City, session: aiohttp.ClientSession) -> Spec:
    """The simulated city, which runs until it is stopped."""
    words = ["simulate", "--devices", str(city.devices), "--sites", str(city.sites)]
    words += ["--faults", city.faults]
    if city.rate is not None:
        words += ["--rate", f"{city.rate:g}"]
    if plan.clock:
        words += ["--clock", plan.clock]
    return _stage(plan, session, "simulator", *words)


def _rival(folder: Path, identity: str) -> Rival:
    """Who has the id of one of our bridges after that has ended: one started by hand."""

    def rival() -> str | None:
        other = living_bridge(folder, identity)
        return (
            None
            if other is None
            else f"a bridge started by hand has its id (pid {other.process.pid})"
        )

    return rival


def _copy(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _stage(plan: Plan, session: aiohttp.ClientSession, name: str, *words: str) -> Spec:
    package_root = str(Path(infra.__file__).resolve().parent.parent)
    return Spec(
        name=name,
        # -P: a folder `streams` where the user stands must not hide ours
        argv=(sys.executable, "-P", "-m", "infra.cli", *words),
        env={
            "PYTHONPATH": package_root,
            "QALA_DATA": str(plan.data),
            "QALA_MQTT_URL": f"mqtt://127.0.0.1:{plan.ports.mqtt}",
            "QALA_KAFKA_BOOTSTRAP": f"127.0.0.1:{plan.ports.kafka}",
            "QALA_KAFKA_SECURITY": "PLAINTEXT",
            "QALA_INFLUX_URL": f"http://127.0.0.1:{plan.ports.influx}",
            PROCESS_NAME: name,
        },
        log=log_file(plan.data, name),
        check=_stage_check(run_folder(plan.data), name, session),
        stop_timeout_s=30.0,
    )


def _stage_check(folder: Path, name: str, session: aiohttp.ClientSession) -> Check:
    async def check(identity: Identity) -> str | None:
        probe = read_probe(folder, name)
        if probe is None or probe.process != identity:
            return "it is being loaded"
        return await waits_for(session, probe.port)

    return check


def addresses(plan: Plan, *, servers_only: bool) -> list[str]:
    """What is reachable where, and how to look at it, one line each."""
    lines = [
        f"MQTT      mqtt://127.0.0.1:{plan.ports.mqtt}",
        f"Kafka     127.0.0.1:{plan.ports.kafka}",
        f"InfluxDB  http://127.0.0.1:{plan.ports.influx}  (database qala)",
        f"logs      {plan.data / 'logs'}",
    ]
    if servers_only:
        return lines
    given = f"--data {shlex.quote(str(plan.data))}"
    looks = (f"qala {command} {given}" for command in ("ps", "devices list", "dlq list"))
    return [*lines, *(f"{'' if n else 'look':<8}  {line}" for n, line in enumerate(looks))]
