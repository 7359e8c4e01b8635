"""Connection settings: what they build, and that they keep their secrets."""

from __future__ import annotations

import json
import ssl
import traceback
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from schemas.connections import InfluxConnection, KafkaConnection, MqttConnection
from schemas.errors import ConnectionSettingError

WORD = "s3cr3t/@:word"
QUOTED = "s3cr3t%2F%40%3Aword"
USED = MqttConnection(url=f"mqtts://bridge%40city:{QUOTED}@broker.example:1884")


def every_text_of(model: BaseModel) -> str:
    dumped = model.model_dump()
    return " ".join(
        [
            repr(model),
            str(model),
            str(dumped),
            model.model_dump_json(),
            json.dumps(dumped, default=str),
        ]
    )


@pytest.mark.parametrize(
    "model",
    [
        USED,
        KafkaConnection(security="SASL_SSL", user="u", password=WORD),
        InfluxConnection(token=WORD),
    ],
    ids=lambda model: type(model).__name__,
)
def test_no_text_of_a_connection_shows_its_secret(model):
    shown = every_text_of(model)
    assert WORD not in shown
    assert QUOTED not in shown
    assert "s3cr3t" not in shown


def test_an_mqtt_url_gives_host_port_user_and_password():
    assert (USED.host, USED.port) == ("broker.example", 1884)
    assert (USED.username, USED.password) == ("bridge@city", WORD.encode())
    assert str(USED) == "mqtts://broker.example:1884"


@pytest.mark.parametrize(
    "url, host, port",
    [
        ("mqtt://127.0.0.1", "127.0.0.1", 1883),
        ("mqtts://broker.example", "broker.example", 8883),
        ("mqtt://[::1]:1999", "::1", 1999),
    ],
)
def test_an_mqtt_port_that_is_not_written_is_the_usual_one(url, host, port):
    connection = MqttConnection(url=url)
    assert (connection.host, connection.port) == (host, port)
    assert connection.username is None
    assert connection.password is None


def test_only_mqtts_has_a_tls_context_and_it_verifies():
    assert MqttConnection().ssl_context() is None
    context = USED.ssl_context()
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


BAD_URLS = [
    f"http://u:{QUOTED}@host",
    f"broker:{QUOTED}",
    f"mqtt://u:{QUOTED}@",
    f"mqtt://u:{QUOTED}@host:99999",
    f"mqtt://u:{QUOTED}@host:0",
    f"mqtt://u:{QUOTED}@host:port",
    f"mqtt://u:{QUOTED}@[::1",
    f"mqtt://u:{QUOTED}@ho\u2100st",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_impossible_mqtt_url_is_refused_without_being_quoted(url):
    with pytest.raises(ValidationError, match="QALA_MQTT_URL is not an MQTT address") as refused:
        MqttConnection(url=url)
    assert "s3cr3t" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    "url", ["influx://host", "host:8086", "http://", "http://h:x", "http://h?q=1"]
)
def test_an_impossible_influxdb_url_is_refused(url):
    with pytest.raises(ValidationError, match="QALA_INFLUX_URL is not an address"):
        InfluxConnection(url=url)


def test_an_influxdb_url_with_a_password_is_refused_without_being_quoted():
    with pytest.raises(ValidationError, match="into QALA_INFLUX_TOKEN") as refused:
        InfluxConnection(url=f"http://user:{QUOTED}@host:8086")
    assert "s3cr3t" not in "".join(traceback.format_exception(refused.value))


def test_an_influxdb_connection_names_buckets_after_policies():
    connection = InfluxConnection(url="http://host:8086/", database="town")
    assert str(connection) == "http://host:8086"
    assert connection.bucket("r10s") == "town/r10s"


def test_a_plain_kafka_connection_needs_its_servers_only():
    assert KafkaConnection(bootstrap="a:1,b:2").client_args() == {
        "bootstrap_servers": "a:1,b:2",
        "security_protocol": "PLAINTEXT",
    }


def test_sasl_arguments_hold_user_and_password():
    args = KafkaConnection(security="SASL_PLAINTEXT", user="u", password=WORD).client_args()
    assert args == {
        "bootstrap_servers": "127.0.0.1:9092",
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "u",
        "sasl_plain_password": WORD,
    }


def test_sasl_over_tls_has_a_context_as_well():
    args = KafkaConnection(security="SASL_SSL", user="u", password=WORD).client_args()
    assert isinstance(args["ssl_context"], ssl.SSLContext)
    assert args["sasl_plain_username"] == "u"


@pytest.mark.parametrize("given", [{}, {"user": "u"}, {"password": WORD}])
def test_sasl_without_user_or_password_says_which_settings_it_needs(given):
    with pytest.raises(ConnectionSettingError, match="QALA_KAFKA_USER and QALA_KAFKA_PASSWORD"):
        KafkaConnection(security="SASL_SSL", **given).client_args()


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path, content: str | None):
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content)
    with pytest.raises(ConnectionSettingError, match=r"for Kafka, .*ca\.pem, cannot be read"):
        KafkaConnection(security="SSL", ca=ca).client_args()
    with pytest.raises(ConnectionSettingError, match=r"for MQTT, .*ca\.pem, cannot be read"):
        MqttConnection(url="mqtts://host", ca=ca).ssl_context()


def test_a_connection_cannot_be_changed():
    with pytest.raises(ValidationError):
        InfluxConnection().url = "http://other"
