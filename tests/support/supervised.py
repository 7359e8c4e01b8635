"""A supervisor in the test's loop, and small programs for it that behave well or badly."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp

from infra.servers import ServerPorts
from infra.supervisor.child import Child
from infra.supervisor.identity import Identity
from infra.supervisor.ownership import base_name
from infra.supervisor.plan import Plan, stage_specs
from infra.supervisor.records import ProcessRecord, log_file, read_processes, run_folder
from infra.supervisor.run import Supervisor
from infra.supervisor.spec import Check, Spec

FAKE = """
import os, pathlib, signal, sys
mode, folder, name = sys.argv[1:]
folder = pathlib.Path(folder)
def end(*_):
    with (folder / "ended").open("a") as file:
        file.write(name + chr(10))
    sys.exit(0)
if mode == "dies":
    print("no luck today", flush=True)
    sys.exit(1)
if mode == "dies for good":
    import json
    stat = pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    process = {"pid": os.getpid(), "ticks": int(stat[19]), "boot": ""}
    run = folder / "run"
    (run / f"{name}.probe.json").write_text(json.dumps({
        "name": name, "stage": name, "id": "1", "process": process, "port": 1,
        "ended": "another copy has this id", "final": True}))
    sys.exit(1)
signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "stubborn" else end)
if mode != "never ready":
    (folder / f"{name}.ready").write_text(str(os.getpid()))
while True:
    signal.pause()
"""


def ready_file(folder: Path, name: str) -> Check:
    async def check(identity: Identity) -> str | None:
        file = folder / f"{name}.ready"
        if file.exists() and file.read_text(encoding="ascii") == str(identity.pid):
            return None
        return "its file is not there"

    return check


def fake(
    folder: Path,
    name: str,
    mode: str = "good",
    *,
    stop_timeout_s: float = 15.0,
    ready_timeout_s: float = 90.0,
) -> Spec:
    return Spec(
        name=name,
        argv=(sys.executable, "-S", "-c", FAKE, mode, str(folder), name),
        log=log_file(folder, name),
        check=ready_file(folder, name),
        address="127.0.0.1:1",
        stop_timeout_s=stop_timeout_s,
        ready_timeout_s=ready_timeout_s,
    )


STAGE = """
import http.server, json, os, pathlib, sys
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        waiting = (folder / "waiting").exists()
        self.send_response(503 if waiting else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"reasons": {"kafka": "is away"}}).encode())
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Ready)
stat = pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()
boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
process = {"pid": os.getpid(), "ticks": int(stat[19]), "boot": boot}
draft = folder / "run" / "draft"
draft.write_text(json.dumps({
    "name": name, "stage": name, "id": "1", "process": process, "port": server.server_port}))
draft.replace(folder / "run" / f"{name}.probe.json")
server.serve_forever()
"""


@asynccontextmanager
async def stage(folder: Path, program: str = STAGE) -> AsyncIterator[Spec]:
    """A stage as `qala up` asks it whether it is ready, with a small program in its place."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.2)) as session:
        plan = Plan(data=folder, ports=ServerPorts())
        spec = next(spec for spec in stage_specs(plan, session) if spec.name == "sink-chat")
        argv = (sys.executable, "-S", "-c", program, str(folder), spec.name)
        yield replace(spec, argv=argv)


@asynccontextmanager
async def supervised(folder: Path, *, hung_after_s: float = 30.0) -> AsyncIterator[Supervisor]:
    run_folder(folder).mkdir(parents=True, exist_ok=True)
    supervisor = Supervisor(
        folder, run_folder(folder), lambda _child: None, hung_after_s=hung_after_s
    )
    try:
        yield supervisor
    finally:
        supervisor.kill()
        await supervisor.stop([], base_name, lambda _name: None)


def state_of(child: Child) -> Callable[[], Awaitable[str]]:
    async def ask() -> str:
        return child.state

    return ask


def recorded(folder: Path, name: str) -> ProcessRecord | None:
    return next((r for r in read_processes(run_folder(folder)) if r.name == name), None)


def pid_of(child: Child) -> int:
    assert child.identity is not None
    return child.identity.pid
