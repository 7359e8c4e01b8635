"""What a server's certificate, or its lack of one, does to every client of Qala."""

from __future__ import annotations

import os
import pwd
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from infra.native import LOOPBACK, NativeServer, find_native, free_port, log_path
from infra.provision.errors import ProvisionError
from infra.provision.influx import provision_influx
from ingest import MqttOptions, connect_mqtt
from ingest.errors import MqttError, MqttUntrustedError
from schemas.connections import InfluxConnection, KafkaConnection, MqttConnection
from schemas.errors import ServerAwayError, ServerRefusedError
from schemas.kafka_access import knock
from sinks.influx import InfluxSink
from tests.support.secured_certificates import Authority
from tests.support.servers import RunningServer

LISTENERS = {"good": ("localhost", 1), "expired": ("localhost", -1), "other": ("other.example", 1)}
OF_CERTIFICATE = {
    "unknown": "its certificate is not from an authority known here; set QALA_{}_CA to the PEM",
    "expired": "its certificate has expired; renew it at the server",
    "other": "its certificate is for another name; write a name of the certificate into QALA_{}_",
}


class TlsServer:
    """A Mosquitto with a listener for each certificate, and one without any."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.ports = {name: free_port() for name in (*LISTENERS, "plain")}
        lines = [f"user {pwd.getpwuid(os.geteuid()).pw_name}", "log_type error"]
        for name, port in self.ports.items():
            lines += [f"listener {port} {LOOPBACK}", "allow_anonymous true"]
            if name in LISTENERS:
                host, days = LISTENERS[name]
                self.authority.certificate(name, host=host, days=days)
                lines += [f"certfile {name}.crt", f"keyfile {name}.key"]
        config = folder / "mosquitto.conf"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")

        async def prepare() -> None:
            """Everything is written already."""

        plain = MqttConnection(url=SecretStr(f"mqtt://localhost:{self.ports['plain']}"))
        self.running = RunningServer(
            NativeServer(
                name="mosquitto",
                port=self.ports["plain"],
                folder=folder,
                argv=(str(find_native(os.environ).mosquitto), "-c", str(config)),
                env={},
                log=log_path(folder, "mosquitto"),
                prepare=prepare,
                ready=lambda: lets_in(plain),
            )
        )


async def lets_in(mqtt: MqttConnection) -> bool:
    try:
        link = await connect_mqtt(mqtt, MqttOptions(client_id="asks"))
    except MqttError:
        return False
    await link.disconnect()
    return True


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TlsServer]:
    made = TlsServer(tmp_path_factory.mktemp("tls"))
    await made.running.start()
    yield made
    await made.running.stop()


async def mqtt_says(host: str, ca: Path | None, *, tls: bool) -> str:
    url = f"{'mqtts' if tls else 'mqtt'}://user:pass-word@{host}"
    with pytest.raises(MqttError) as refused:
        await connect_mqtt(MqttConnection(url=SecretStr(url), ca=ca), MqttOptions(client_id="test"))
    assert isinstance(refused.value, MqttUntrustedError) != refused.value.retryable
    return str(refused.value)


async def kafka_says(host: str, ca: Path | None, *, tls: bool) -> str:
    security = "SASL_SSL" if tls else "SASL_PLAINTEXT"
    kafka = KafkaConnection(
        bootstrap=host, security=security, user="user", password=SecretStr("pass-word"), ca=ca
    )
    with pytest.raises((ServerRefusedError, ServerAwayError)) as refused:
        await knock(kafka)
    return str(refused.value)


async def influx_says(host: str, ca: Path | None, *, tls: bool) -> str:
    influx = InfluxConnection(
        url=f"{'https' if tls else 'http'}://{host}", token=SecretStr("user:pass-word"), ca=ca
    )
    sink = InfluxSink(influx, timeout_s=5)
    trouble = await sink.version()
    await sink.close()
    with pytest.raises(ProvisionError) as refused:
        await provision_influx(influx)
    assert not isinstance(trouble, str)
    assert trouble.reason == str(refused.value)
    return trouble.reason


Says = Callable[..., Awaitable[str]]
CLIENTS: dict[str, Says] = {"MQTT": mqtt_says, "KAFKA": kafka_says, "INFLUX": influx_says}


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("fault", OF_CERTIFICATE)
async def test_a_certificate_that_is_not_to_be_trusted_is_refused_with_its_mend(
    server: TlsServer, client: str, fault: str
) -> None:
    port = server.ports["good" if fault == "unknown" else fault]
    ca = None if fault == "unknown" else server.authority.ca
    said = await CLIENTS[client](f"localhost:{port}", ca, tls=True)
    assert OF_CERTIFICATE[fault].format(client) in said
    assert f"localhost:{port} is not trusted" in said
    assert "pass-word" not in said


async def test_a_certificate_that_is_right_is_trusted(server: TlsServer) -> None:
    url = SecretStr(f"mqtts://localhost:{server.ports['good']}")
    assert await lets_in(MqttConnection(url=url, ca=server.authority.ca))


@pytest.mark.parametrize("tls, port", [(True, "plain"), (False, "good")])
async def test_a_port_that_speaks_the_other_way_is_named_with_the_setting_to_change(
    server: TlsServer, client: str, tls: bool, port: str
) -> None:
    mend = {
        ("MQTT", True): "write mqtt:// into QALA_MQTT_URL",
        ("MQTT", False): "write mqtts:// into QALA_MQTT_URL",
        ("KAFKA", True): "set QALA_KAFKA_SECURITY to PLAINTEXT or SASL_PLAINTEXT",
        ("KAFKA", False): "set QALA_KAFKA_SECURITY to SSL, or to SASL_SSL",
        ("INFLUX", True): "write http:// into QALA_INFLUX_URL",
        ("INFLUX", False): "write https:// into QALA_INFLUX_URL",
    }
    ca = server.authority.ca
    said = await CLIENTS[client](f"localhost:{server.ports[port]}", ca, tls=tls)
    assert "closed the connection before it answered" in said
    assert mend[client, tls] in said
    assert "pass-word" not in said
