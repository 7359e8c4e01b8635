"""`qala up` as its users run it: everything becomes ready, and a signal leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.native import PortInUseError, check_port_free, free_port
from infra.servers import ServerPorts
from infra.supervisor.identity import Identity
from infra.supervisor.ownership import supervisor_record
from infra.supervisor.records import read_processes, run_folder
from schemas.topics import TELEMETRY
from tests.support.bridges import device, now_ms, reading_log
from tests.support.waiting import eventually

PORTS = (1883, 8086, 9092)
NAMES = {"mosquitto", "kafka", "influxdb", "bridge", "streams", "sink-influx", "sink-chat"}
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("QALA_")}
ENVIRONMENT |= {
    name: os.environ[name] for name in ("QALA_NATIVE",) if name in os.environ
}  # where setup put the servers

pytestmark = pytest.mark.timeout(180)


def free_offset() -> int:
    """An offset at which all three ports are free."""
    while True:
        offset = free_port() - max(PORTS)
        if 0 < offset <= 50_000:
            try:
                for port in PORTS:
                    check_port_free("test", port + offset)
            except PortInUseError:
                continue
            return offset


@asynccontextmanager
async def qala(folder: Path, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A `qala` process in ``folder``; asked to stop where the test has not done so."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.cli", *words,
        cwd=folder,
        env={**ENVIRONMENT, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def done(folder: Path, *words: str) -> tuple[int | None, str, str]:
    """Exit code, stdout and stderr of one command."""
    async with qala(folder, *words) as process:
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def shown(folder: Path) -> list[dict[str, Any]]:
    """What `qala ps --json` prints."""
    code, out, err = await done(folder, "ps", "--json")
    assert (code, err) == (0, "")
    found: list[dict[str, Any]] = json.loads(out)
    return found


def living(folder: Path) -> dict[str, Identity]:
    """The processes that are recorded and alive."""
    records = read_processes(run_folder(folder / ".qala"))
    return {r.name: r.process for r in records if r.process is not None and r.alive()}


async def supervisor_state(folder: Path) -> str | None:
    """What `qala up` has recorded of itself; None once it has ended."""
    record = supervisor_record(run_folder(folder / ".qala"))
    return None if record is None else record.state


async def everything_ready(process: asyncio.subprocess.Process) -> list[str]:
    """The lines that `qala up` prints until everything is ready."""
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(120):
        while not any("everything is ready" in line for line in lines):
            line = (await process.stdout.readline()).decode()
            assert line, f"it ended: {lines}"
            lines.append(line)
    return lines


async def test_up_makes_everything_ready_keeps_it_so_and_leaves_nothing(tmp_path: Path) -> None:
    offset = free_offset()
    words = ("up", "--no-simulator", "--port-offset", str(offset))
    async with qala(tmp_path, *words) as up:
        await everything_ready(up)
        processes = {process["name"]: process for process in await shown(tmp_path)}
        assert set(processes) == NAMES
        assert {process["state"] for process in processes.values()} == {"ready"}
        assert processes["kafka"]["metrics"]["address"] == f"127.0.0.1:{9092 + offset}"
        assert processes["bridge"]["metrics"]["probe"] > 0
        assert processes["bridge"]["metrics"]["qala_bridge_received_total"] == 0

        # another one on this folder is refused, and so is a taken port
        code, _, err = await done(tmp_path, *words)
        assert (code, err.count("\n")) == (1, 1)
        assert "already runs on" in err
        code, _, err = await done(tmp_path, *words, "--data", "other")
        assert (code, err.count("\n")) == (1, 1)
        assert f"port {1883 + offset}" in err
        assert "--port-offset" in err

        # commands find the servers of this folder by themselves
        assert (await done(tmp_path, "devices", "list"))[:2] == (0, "no devices yet\n")
        assert (await done(tmp_path, "dlq", "list"))[:2] == (0, "no dead letters\n")
        assert (await done(tmp_path, "provision"))[0] == 0

        # a killed stage works again
        os.kill(processes["sink-chat"]["pid"], signal.SIGKILL)

        async def restarted() -> bool:
            chat = next(p for p in await shown(tmp_path) if p["name"] == "sink-chat")
            return chat["state"] == "ready" and chat["restarts"] == 1

        await eventually(restarted, timeout_s=30)

        children = living(tmp_path)
        assert set(children) == {*NAMES, "supervisor"}
        up.send_signal(signal.SIGTERM)
        # who comes in the meantime, `qala servers down` for one, sees that it stops
        await eventually(lambda: supervisor_state(tmp_path), "stopped".__eq__)
        up.send_signal(signal.SIGHUP)  # its terminal is closed: it goes on in order
        out, err = await up.communicate()
        assert (up.returncode, err) == (0, b"")
        stopped = [line.split()[-1] for line in out.decode().splitlines() if "○ stopped" in line]
        assert "everything is stopped" in out.decode()
        assert "killing everything" not in out.decode()
        assert len(stopped) == len(NAMES)
    assert [name for name, process in children.items() if process.alive()] == []
    assert await shown(tmp_path) == []


async def test_a_killed_bridge_comes_back_with_its_id_and_has_what_waited(tmp_path: Path) -> None:
    offset = free_offset()
    ports = ServerPorts(mqtt=1883 + offset, kafka=9092 + offset)
    words = ("up", "--no-simulator", "--bridges", "2", "--port-offset", str(offset))
    async with qala(tmp_path, *words) as up:
        await everything_ready(up)
        (victim,) = (p for p in await shown(tmp_path) if p["name"] == "bridge-2")
        async with (
            device(ports.mqtt_connection()) as sender,
            reading_log(ports.kafka_connection()) as log,
        ):
            os.kill(victim["pid"], signal.SIGKILL)
            for seq in range(2000):
                reading = {"type": "air", "ts": now_ms(), "boot": 1, "seq": seq}
                sender.send("killed", "ionizer", "d-1", reading | {"efficiency_pct": 50})
            await sender.all_acknowledged()
            lines = await log.lines_of("killed", 2000, timeout_s=60)
            assert {line.reading.seq for line in lines} == set(range(2000))
            bridges = {
                dict(record.headers)["bridge"]
                for record in log.records[TELEMETRY]
                if b'"killed"' in record.value
            }
            assert bridges == {b"1", b"2"}

        async def back() -> bool:
            (bridge,) = (p for p in await shown(tmp_path) if p["name"] == "bridge-2")
            return bridge["state"] == "ready" and bridge["restarts"] == 1

        await eventually(back, timeout_s=60)
        up.send_signal(signal.SIGTERM)
        _, err = await up.communicate()
        assert (up.returncode, err) == (0, b"")


async def test_up_by_itself_shows_a_simulated_city(tmp_path: Path) -> None:
    async with qala(tmp_path, "up", "--port-offset", str(free_offset())) as up:
        lines = await everything_ready(up)
        assert any("a simulated city of 30 devices, each at its own pace" in line for line in lines)
        processes = {process["name"]: process["state"] for process in await shown(tmp_path)}
        assert processes == dict.fromkeys({*NAMES, "simulator"}, "ready")

        async def devices() -> int:
            code, out, _ = await done(tmp_path, "devices", "list", "--json")
            assert code == 0
            return len(json.loads(out))

        await eventually(devices, timeout_s=60)
        up.send_signal(signal.SIGTERM)
        _, err = await up.communicate()
        assert (up.returncode, err) == (0, b"")


async def test_what_a_killed_supervisor_leaves_is_stopped_by_the_next_command(
    tmp_path: Path,
) -> None:
    words = ("servers", "up", "--port-offset", str(free_offset()))
    async with qala(tmp_path, *words) as up:
        await everything_ready(up)
        children = living(tmp_path)
        assert set(children) == {"mosquitto", "kafka", "influxdb", "supervisor"}
        up.kill()
        await up.wait()
    assert children["kafka"].alive()
    code, out, _ = await done(tmp_path, "servers", "down")
    assert code == 0
    assert "a former run left processes behind" in out
    assert [name for name, process in children.items() if process.alive()] == []


async def test_a_port_that_others_have_is_told_before_anything_starts(tmp_path: Path) -> None:
    offset = free_offset()
    with socket.create_server(("127.0.0.1", 8086 + offset)):
        code, out, err = await done(tmp_path, "up", "--port-offset", str(offset))
    assert code == 1
    assert f"port {8086 + offset}" in err
    assert "mosquitto" not in out
    assert living(tmp_path) == {}
