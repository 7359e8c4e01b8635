"""`qala doctor` on a server that others have set up: its limits, its tokens, its rights."""

from __future__ import annotations

import dataclasses
import os
import pwd
import signal
from pathlib import Path

import pytest
from pydantic import SecretStr

from infra.doctor import Finding
from infra.doctor.ask_influx import ask_influx
from infra.doctor.ask_mqtt import ask_mqtt
from infra.doctor.judge_influx import judge_influx
from infra.doctor.judge_mqtt import judge_mqtt
from infra.native import LOOPBACK, NativeServer, find_native, free_port, log_path
from infra.native.mosquitto import answers_connect
from infra.provision import provision_influx
from infra.servers import ServerPorts, native_servers
from schemas.connections import InfluxConnection, MqttConnection
from tests.support.bridges import now_ms
from tests.support.doctor import WEEK_S, problem
from tests.support.servers import RunningServer, query

pytestmark = pytest.mark.timeout(240)


async def test_a_broker_with_default_limits_is_told_what_to_set(tmp_path: Path):
    port = free_port()
    conf = tmp_path / "mosquitto.conf"
    user = pwd.getpwuid(os.geteuid()).pw_name
    conf.write_text(
        f"listener {port} {LOOPBACK}\nallow_anonymous true\nuser {user}\n", encoding="ascii"
    )

    async def prepare() -> None:
        """Its file is written."""

    broker = RunningServer(
        NativeServer(
            name="mosquitto",
            port=port,
            folder=tmp_path,
            argv=(str(find_native(os.environ).mosquitto), "-c", str(conf)),
            env={},
            log=log_path(tmp_path, "mosquitto"),
            prepare=prepare,
            ready=lambda: answers_connect(LOOPBACK, port),
            stop_signal=signal.SIGTERM,
        )
    )
    await broker.start()
    try:
        mqtt = MqttConnection(url=SecretStr(f"mqtt://{LOOPBACK}:{port}"))
        seen = await ask_mqtt(mqtt, session_expiry_s=WEEK_S)
    finally:
        await broker.stop()
    found = judge_mqtt(seen, None, address=str(mqtt), session_expiry_s=WEEK_S)
    limit = problem(found, "mqtt", "queue limit")
    assert "kept 1 000" in limit.what
    assert "max_queued_messages 1000000" in limit.mend
    window = problem(found, "mqtt", "in flight")
    assert "a bridge gets 20 messages" in window.what
    assert "max_inflight_messages 65535" in window.mend


async def test_a_wrong_token_is_told_and_a_right_one_is_not(tmp_path: Path):
    ports = ServerPorts.free()
    (server,) = (s for s in native_servers(tmp_path, ports) if s.name == "influxdb")
    open_one = RunningServer(server)
    influx = ports.influx_connection()
    await open_one.start()
    await provision_influx(influx)
    for words in (
        "CREATE USER boss WITH PASSWORD 'right' WITH ALL PRIVILEGES",
        "CREATE USER reader WITH PASSWORD 'right'",
        'GRANT READ ON "qala" TO reader',
        "CREATE USER writer WITH PASSWORD 'right'",
        'GRANT WRITE ON "qala" TO writer',
        "CREATE USER sink WITH PASSWORD 'right'",
        'GRANT ALL ON "qala" TO sink',
    ):
        await query(influx, words)
    await open_one.stop()
    guarded = RunningServer(dataclasses.replace(server, env={"INFLUXDB_HTTP_AUTH_ENABLED": "true"}))
    await guarded.start()
    try:
        wrong = problem(await _of_influx(influx, "boss:wrong"), "influxdb", "token")
        none = problem(await _of_influx(influx, ""), "influxdb", "token")
        reader = await _of_influx(influx, "reader:right")
        writer = await _of_influx(influx, "writer:right")
        sink = await _of_influx(influx, "sink:right")
        right = await _of_influx(influx, "boss:right")
    finally:
        await guarded.stop()
    assert "refuses QALA_INFLUX_TOKEN" in wrong.what
    assert "wrong" not in wrong.what.replace("QALA_INFLUX_TOKEN", "")
    assert "set QALA_INFLUX_TOKEN to user:password" in wrong.mend
    assert "refuses who has no token" in none.what
    (may_read,) = (finding for finding in reader if finding.check == "rights")
    assert "may read qala, and not write raw, r10s, r1m, r1h" in may_read.what
    assert "WRITE on qala" in str(may_read.mend)
    (may_write,) = (finding for finding in writer if finding.check == "rights")
    assert "may write qala, and not read it" in may_write.what
    assert "READ on qala" in str(may_write.mend)
    (may_both,) = (finding for finding in sink if finding.check == "rights")
    assert may_both.what == "may read and write qala"
    assert {finding.state for finding in right} == {"ok"}


async def test_influxdb_of_each_generation_is_judged_by_its_database(
    any_influxdb: InfluxConnection,
):
    influx = any_influxdb.model_copy(update={"database": "examined"})
    missing = problem(
        judge_influx(await ask_influx(influx, now_ms), influx), "influxdb", "database"
    )
    assert missing.mend == "run `qala provision`"
    await provision_influx(influx)
    found = judge_influx(await ask_influx(influx, now_ms), influx)
    assert {finding.state for finding in found} == {"ok"}


async def test_a_wrong_token_of_influxdb_2_is_told(any_influxdb: InfluxConnection):
    found = await _of_influx(any_influxdb, "wrong")
    refused = [f for f in found if f.check == "token"]
    if any_influxdb.token.get_secret_value():  # 1.8 as `qala up` runs it asks nobody
        assert "set QALA_INFLUX_TOKEN to a token of the organisation qala" in str(refused[0].mend)
    else:
        assert refused == []


async def _of_influx(influx: InfluxConnection, token: str) -> list[Finding]:
    asked = influx.model_copy(update={"token": SecretStr(token)})
    return judge_influx(await ask_influx(asked, now_ms), asked)
