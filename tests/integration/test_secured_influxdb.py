"""InfluxDB with TLS and rights, 1.8 and 2.7, as docs/securing.md sets them up."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from pydantic import SecretStr

from infra.native import LOOPBACK, NativeServer, log_path
from infra.provision.errors import ProvisionError
from infra.provision.influx import organisation, provision_influx
from infra.provision.influx_api import InfluxApi
from schemas.connections import InfluxConnection
from sinks.contract import Trouble
from sinks.influx import InfluxSink
from sinks.influx_clocks import InfluxClocks
from sinks.rows import FirstTime
from tests.support.secured import SecuredCity
from tests.support.servers import RunningServer, query

GENERATIONS = ["1.8", "2.x"] if os.environ.get("QALA_TEST_INFLUXD2") else ["1.8"]
ROW = "temperature,device=t-1,site=hall-1 celsius=20.5"


@dataclass(frozen=True)
class Secured:
    """How each user reaches the server."""

    url: str
    ca: Path
    tokens: dict[str, str]

    def of(self, user: str) -> InfluxConnection:
        return InfluxConnection(url=self.url, token=SecretStr(self.tokens[user]), ca=self.ca)


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=GENERATIONS)
async def any_influxdb(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Secured]:
    """Each InfluxDB that can be tested here, provisioned by its admin."""
    city = SecuredCity(tmp_path_factory.mktemp("influx"))
    for section in ("Certificates", "Passwords"):
        await city.page.run(section)
    started = _first(city) if request.param == "1.8" else _second(city)
    async with started as tokens:
        url = f"https://localhost:{city.ports['influx']}"
        tokens["wrong"] = f"sinks:{tokens['sinks'][::-1]}"
        made = Secured(url, city.secrets / "ca.crt", tokens)
        await provision_influx(made.of("admin"))
        yield made


@asynccontextmanager
async def _first(city: SecuredCity) -> AsyncIterator[dict[str, str]]:
    await city.influxdb.start()
    try:
        await city.page.run("InfluxDB 1.8")
        users = ("admin", "sinks", "reader")
        yield {user: f"{user}:{city.password(f'influx-{user}')}" for user in users}
    finally:
        await city.influxdb.stop()


@asynccontextmanager
async def _second(city: SecuredCity) -> AsyncIterator[dict[str, str]]:
    folder = city.data / "influxdb2"
    port = city.ports["influx"]

    async def prepare() -> None:
        folder.mkdir()

    options = {
        "bolt-path": folder / "bolt",
        "sqlite-path": folder / "sqlite",
        "engine-path": folder / "engine",
        "http-bind-address": f"{LOOPBACK}:{port}",
        "tls-cert": city.secrets / "influx.crt",
        "tls-key": city.secrets / "influx.key",
        "log-level": "warn",
    }
    running = RunningServer(
        NativeServer(
            name="influxdb2",
            port=port,
            folder=folder,
            argv=(
                *(os.environ["QALA_TEST_INFLUXD2"], "run", "--reporting-disabled"),
                *(f"--{name}={value}" for name, value in options.items()),
            ),
            env={},
            log=log_path(city.data, "influxdb2"),
            prepare=prepare,
            ready=lambda: city.speaks_tls(port),
        )
    )
    await running.start()
    try:
        admin = city.password("influx-admin")
        await _set_up(f"https://localhost:{port}", city.secrets / "ca.crt", admin)
        await city.page.run("InfluxDB 2.7")
        tokens = {u: (city.secrets / f"influx-{u}.token").read_text() for u in ("sinks", "reader")}
        yield {"admin": admin} | {user: token.strip() for user, token in tokens.items()}
    finally:
        await running.stop()


async def _set_up(url: str, ca: Path, token: str) -> None:
    trust = InfluxConnection(url=url, ca=ca).ssl_context()
    wanted = {"username": "admin", "password": "for-tests-only", "org": "qala", "bucket": "unused"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/v2/setup", json=wanted | {"token": token}, ssl=trust) as answer,
    ):
        assert answer.status == 201, await answer.text()


async def _refusal(influx: InfluxConnection) -> str | None:
    sink = InfluxSink(influx, timeout_s=10)
    try:
        assert isinstance(await sink.version(), str)
        trouble = await sink.refusal()
    finally:
        await sink.close()
    assert trouble is None or trouble.final
    return None if trouble is None else trouble.reason


async def test_a_sinks_token_writes_and_a_readers_reads(any_influxdb: Secured) -> None:
    sink = InfluxSink(any_influxdb.of("sinks"), timeout_s=10)
    written = await sink.write("raw", [ROW])
    await sink.close()
    assert (written.accepted, written.trouble) == (1, None)
    (row,) = await query(any_influxdb.of("reader"), 'SELECT "celsius" FROM "raw"."temperature"')
    assert row["celsius"] == 20.5


async def test_a_sink_that_may_write_is_not_refused_and_leaves_nothing(
    any_influxdb: Secured,
) -> None:
    before = await query(any_influxdb.of("reader"), "SHOW SERIES")
    assert await _refusal(any_influxdb.of("sinks")) is None
    assert await query(any_influxdb.of("reader"), "SHOW SERIES") == before


async def _writer(secured: Secured) -> InfluxConnection:
    """A user who may write and not read, as sinks' were made by an older page."""
    admin = secured.of("admin")
    if "sinks:" in secured.tokens["sinks"]:
        await query(admin, "CREATE USER writer WITH PASSWORD 'for-tests-only'")
        await query(admin, "GRANT WRITE ON qala TO writer")
        token = "writer:for-tests-only"
    else:
        async with InfluxApi(admin) as api:
            org = await organisation(api, admin)
            right = {"action": "write", "resource": {"type": "buckets", "orgID": org}}
            asked = {"orgID": org, "description": "writer", "permissions": [right]}
            token = (await api.call("POST", "authorizations", json=asked))["token"]
    return admin.model_copy(update={"token": SecretStr(token)})


async def test_a_sinks_token_recalls_what_it_wrote_and_one_that_only_writes_says_its_mend(
    any_influxdb: Secured,
) -> None:
    now_ms = time.time_ns() // 1_000_000
    row = f"{ROW},boot=1i,seq=2i,device_ts=-3i {now_ms * 1_000_000 + 7921}"
    for influx, may_read in (
        (any_influxdb.of("sinks"), True),
        (await _writer(any_influxdb), False),
    ):
        sink = InfluxSink(influx, timeout_s=10)
        assert (await sink.write("raw", [row])).accepted == 1
        found = await InfluxClocks(influx, sink).since("temperature", now_ms - 1000, 10)
        await sink.close()
        if may_read:
            assert found == [FirstTime(("hall-1", "t-1", 1, 2, -3), now_ms)]
        else:
            assert isinstance(found, Trouble)
            assert found.final
            assert "not read qala/raw" in found.reason


@pytest.mark.parametrize(
    "user, said",
    [
        ("wrong", "InfluxDB refuses the token; check QALA_INFLUX_TOKEN"),
        ("reader", "InfluxDB lets this token not write to qala/raw; check QALA_INFLUX_TOKEN"),
    ],
)
async def test_a_token_without_the_right_to_write_is_refused_in_a_sentence(
    any_influxdb: Secured, user: str, said: str
) -> None:
    assert await _refusal(any_influxdb.of(user)) == said


@pytest.mark.parametrize("user", ["wrong", "sinks"])
async def test_provisioning_needs_a_token_that_may_do_it(any_influxdb: Secured, user: str) -> None:
    missing = any_influxdb.of(user).model_copy(update={"database": "another"})
    with pytest.raises(ProvisionError, match="QALA_INFLUX_TOKEN"):
        await provision_influx(missing)


async def test_http_to_a_port_that_wants_https_is_named(any_influxdb: Secured) -> None:
    plain = InfluxConnection(url=any_influxdb.url.replace("https:", "http:"))
    sink = InfluxSink(plain, timeout_s=10)
    trouble = await sink.version()
    await sink.close()
    assert not isinstance(trouble, str)
    assert trouble.final
    with pytest.raises(ProvisionError, match="write https:// into QALA_INFLUX_URL") as refused:
        await provision_influx(plain)
    assert str(refused.value) == trouble.reason
