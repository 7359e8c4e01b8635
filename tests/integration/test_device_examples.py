"""The examples for device developers, as they stand, against a real Mosquitto and a bridge."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import pytest

from schemas.topics import KINDS
from tests.support.bridges import Log, bridging, reading_log
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "devices"


async def test_the_shell_example_sends_each_number_and_says_when_it_comes_and_goes(
    mqtt, log_servers, tmp_path: Path
) -> None:
    (tmp_path / "mosquitto_pub").write_text(f"-h {mqtt.host}\n-p {mqtt.port}\n")
    environ = os.environ | {
        "XDG_CONFIG_HOME": str(tmp_path), "SITE": "example-sh", "DEVICE": "t-1",
    }  # fmt: skip
    async with bridging(mqtt, log_servers, id="example-sh"), reading_log(log_servers) as log:
        process = await asyncio.create_subprocess_exec(
            str(EXAMPLES / "thermometer.sh"), env=environ, stdin=PIPE
        )
        await process.communicate(b"21.4\n-3\n0.25\n")
        assert process.returncode == 0
        lines = await log.lines_of("example-sh", 5)
        assert not log.letters("example-sh")
    readings = [line.reading for line in lines if line.reading]
    assert [(one.seq, one.celsius) for one in readings] == [(0, 21.4), (1, -3.0), (2, 0.25)]
    assert {line.device for line in lines} == {"t-1"}
    statuses = [line.status for line in lines if line.status]
    assert [status.state for status in statuses] == ["online", "offline"]
    assert {one.boot for one in (*readings, *statuses)} == {statuses[0].boot}


async def test_the_commands_of_the_page_send_its_readings(
    mqtt, log_servers, tmp_path: Path
) -> None:
    page = EXAMPLES.parents[1] / "devices.md"
    blocks = re.findall(r"```sh\n(.+?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    wanted = [one for one in blocks if "mosquitto_pub -V" in one or one.startswith("send ")]
    command = "".join(wanted)
    (tmp_path / "mosquitto_pub").write_text(f"-h {mqtt.host}\n-p {mqtt.port}\n")
    environ = os.environ | {"XDG_CONFIG_HOME": str(tmp_path)}
    async with bridging(mqtt, log_servers, id="example-1"), reading_log(log_servers) as log:
        process = await asyncio.create_subprocess_exec("bash", "-ec", command, env=environ)
        assert await process.wait() == 0
        lines = await log.lines_of("hall-1", len(wanted) - 1)  # one block only sets up
        assert not log.letters("hall-1")
    first = next(line for line in lines if line.device == "t-1")
    assert (first.reading.celsius, first.at) == (21.4, None)
    assert {line.kind for line in lines} == set(KINDS)
    assert [line.status.state for line in lines if line.status] == ["online"]


async def test_the_python_example_loses_nothing_while_the_broker_is_away(
    broker, mqtt, log_servers, tmp_path: Path
) -> None:
    sensor = tmp_path / "temp"
    sensor.write_text("21400\n")
    said = tmp_path / "said"
    environ = os.environ | {
        "SITE": "example-py", "DEVICE": "t-1", "SENSOR": str(sensor), "INTERVAL_S": "0.05",
        "MQTT_HOST": mqtt.host, "MQTT_PORT": str(mqtt.port),
    }  # fmt: skip
    with said.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(EXAMPLES / "thermometer.py"),
            env=environ, stdin=DEVNULL, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        async with (
            bridging(mqtt, log_servers, id="example-py") as bridge,
            reading_log(log_servers) as log,
        ):
            await log.lines_of("example-py", 10)
            await broker.stop()

            async def told() -> bool:
                return "broker away" in said.read_text()

            await eventually(told)
            before = _seqs(log)
            await broker.start()
            await bridge.until_connected(2)
            await log.lines_of("example-py", max(before) + 30)
            process.terminate()
            assert await process.wait() == 0

            async def gone() -> bool:
                await log.read()
                return _states(log)[-1] == "offline"

            await eventually(gone)
            assert not log.letters("example-py")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    found = _seqs(log)
    assert set(found) == set(range(max(found) + 1))
    assert max(found) > max(before)
    assert _states(log)[0] == "online"
    readings = [line.reading for line in log.lines("example-py") if line.reading]
    assert len({(one.boot, one.celsius) for one in readings}) == 1


def _seqs(log: Log) -> list[int]:
    return [line.reading.seq for line in log.lines("example-py") if line.reading]


def _states(log: Log) -> list[str]:
    return [line.status.state for line in log.lines("example-py") if line.status]
