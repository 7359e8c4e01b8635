"""How to reach MQTT, Kafka, InfluxDB, Grafana: settings that build their clients' arguments."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

from schemas.errors import ConnectionSettingError

_MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}
# A validation error would quote the input: a URL with its password.
_CONFIG = ConfigDict(frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)


class MqttConnection(BaseModel):
    """``QALA_MQTT_URL``: ``mqtt://`` or ``mqtts://`` with ``user:password@host:port``."""

    model_config = _CONFIG

    url: SecretStr = SecretStr("mqtt://127.0.0.1:1883")
    """Address of the broker. ``mqtts://`` is with TLS; user and password are percent-encoded."""
    ca: Path | None = None
    """PEM file of the authority that signed the broker's certificate; by default the system's."""

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: SecretStr) -> SecretStr:
        if _split(url.get_secret_value(), tuple(_MQTT_PORTS)) is None:
            raise ValueError(
                "QALA_MQTT_URL is not an MQTT address; write mqtt://host:1883 or mqtts://…"
            )
        return url

    @property
    def host(self) -> str:
        """Host name or address of the broker."""
        return urlsplit(self.url.get_secret_value()).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        """TCP port: that of the URL, or 1883 (8883 with TLS)."""
        parts = urlsplit(self.url.get_secret_value())
        return parts.port or _MQTT_PORTS[parts.scheme]

    @property
    def username(self) -> str | None:
        """User of the URL, or None."""
        user = urlsplit(self.url.get_secret_value()).username
        return unquote(user) if user else None

    @property
    def password(self) -> bytes | None:
        """Password of the URL, or None."""
        word = urlsplit(self.url.get_secret_value()).password
        return unquote(word).encode() if word else None

    @property
    def tls(self) -> bool:
        """Whether the broker is spoken to with TLS."""
        return self.url.get_secret_value().startswith("mqtts://")

    def ssl_context(self) -> ssl.SSLContext | None:
        """A verifying TLS context for ``mqtts://``, None for ``mqtt://``.

        Raises:
            ConnectionSettingError: the CA can't be read.
        """
        return _trusting(self.ca, "MQTT") if self.tls else None

    def __str__(self) -> str:
        """The address without its user and password."""
        return f"{urlsplit(self.url.get_secret_value()).scheme}://{self.host}:{self.port}"


class KafkaConnection(BaseModel):
    """``QALA_KAFKA_*``: bootstrap servers, and how to be let in."""

    model_config = _CONFIG

    bootstrap: str = "127.0.0.1:9092"
    """Brokers to ask first, as ``host:port``, separated by commas."""
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How brokers are spoken to: SSL is with TLS, SASL with user and password."""
    mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How user and password are proved where ``security`` is one of SASL."""
    user: str | None = None
    """User, where ``security`` is one of SASL."""
    password: SecretStr | None = None
    """Password of ``user``."""
    ca: Path | None = None
    """PEM file of the authority that signed the brokers' certificates; by default the system's."""

    @property
    def tls(self) -> bool:
        """Whether clients speak TLS."""
        return self.security.endswith("SSL")

    def client_args(self) -> dict[str, Any]:
        """Keyword arguments of every aiokafka client.

        Raises:
            ConnectionSettingError: SASL without a user and a password, or a CA that can't be read.
        """
        args: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security,
        }
        if self.security.startswith("SASL"):
            if self.user is None or self.password is None:
                raise ConnectionSettingError(
                    f"Kafka security {self.security} needs QALA_KAFKA_USER and QALA_KAFKA_PASSWORD"
                )
            args |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password.get_secret_value(),
            }
        if self.tls:
            args["ssl_context"] = _trusting(self.ca, "Kafka")
        return args

    def __str__(self) -> str:
        """The bootstrap servers."""
        return self.bootstrap


class InfluxConnection(BaseModel):
    """``QALA_INFLUX_*``: where InfluxDB is, and the database ``qala`` in it."""

    model_config = _CONFIG

    url: str = "http://127.0.0.1:8086"
    """Address of InfluxDB 1.8 or 2.7, without user and password."""
    token: SecretStr = SecretStr("")
    """A token of 2.x, or ``user:password`` of 1.8; empty where the server asks for neither."""
    org: str = "qala"
    """Organisation of 2.x; 1.8 has none."""
    database: str = "qala"
    """Database of 1.8; on 2.x the begin of the buckets' names, ``qala/raw`` and so on."""
    ca: Path | None = None
    """PEM file of the authority that signed the server's certificate; by default the system's."""

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        parts = _split(url, ("http", "https"))
        if parts is None or parts.query or parts.fragment:
            raise ValueError("QALA_INFLUX_URL is not an address; write http://host:8086")
        if "@" in parts.netloc:
            raise ValueError(
                "QALA_INFLUX_URL holds a user or a password; write them as user:password into "
                "QALA_INFLUX_TOKEN"
            )
        return url.rstrip("/")

    def ssl_context(self) -> ssl.SSLContext | None:
        """A verifying TLS context for ``https://``, None for ``http://``.

        Raises:
            ConnectionSettingError: the CA can't be read.
        """
        return _trusting(self.ca, "InfluxDB") if self.tls else None

    @property
    def tls(self) -> bool:
        """Whether the server is spoken to with TLS."""
        return self.url.startswith("https://")

    def bucket(self, policy: str) -> str:
        """What ``/api/v2/write`` calls the retention policy ``policy``: ``database/policy``."""
        return f"{self.database}/{policy}"

    def __str__(self) -> str:
        """The address."""
        return self.url


class GrafanaConnection(BaseModel):
    """``QALA_GRAFANA_*``: the Grafana that boards are sent to."""

    model_config = _CONFIG

    url: str = "http://127.0.0.1:3000"
    """Address of Grafana, without user and password."""
    token: SecretStr = SecretStr("")
    """A service account's token, or ``user:password``."""

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        parts = _split(url, ("http", "https"))
        if parts is None or parts.query or parts.fragment:
            raise ValueError("QALA_GRAFANA_URL is not an address; write http://host:3000")
        if "@" in parts.netloc:
            raise ValueError(
                "QALA_GRAFANA_URL holds a user or a password; write them as user:password into "
                "QALA_GRAFANA_TOKEN"
            )
        return url.rstrip("/")

    def __str__(self) -> str:
        """The address."""
        return self.url


def _split(url: str, schemes: tuple[str, ...]) -> SplitResult | None:
    """The parts of a URL of one of the schemes that has a host and a possible port, or None."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its text quotes the URL, so it goes no further
        return None
    return parts if usable else None


def _trusting(ca: Path | None, server: str) -> ssl.SSLContext:
    """A verifying TLS context that trusts ``ca``, or the system's authorities."""
    try:
        return ssl.create_default_context(cafile=str(ca) if ca else None)
    except OSError as exc:
        raise ConnectionSettingError(
            f"the certificate authority for {server}, {ca}, cannot be read: {exc}; "
            "name a readable PEM file"
        ) from exc
