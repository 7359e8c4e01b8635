"""The three native servers of a data folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from infra.native import (
    LOOPBACK,
    NativeServer,
    find_native,
    free_port,
    influxdb_server,
    kafka_server,
    mosquitto_server,
)
from schemas.connections import InfluxConnection, KafkaConnection, MqttConnection

DEFAULT_MQTT_PORT = 1883
DEFAULT_KAFKA_PORT = 9092
DEFAULT_INFLUX_PORT = 8086


@dataclass(frozen=True, slots=True)
class ServerPorts:
    """The ports on loopback that clients use."""

    mqtt: int = DEFAULT_MQTT_PORT
    kafka: int = DEFAULT_KAFKA_PORT
    influx: int = DEFAULT_INFLUX_PORT

    @classmethod
    def shifted(cls, offset: int) -> ServerPorts:
        """The default ports, each plus ``offset`` (``--port-offset``)."""
        return cls(
            DEFAULT_MQTT_PORT + offset, DEFAULT_KAFKA_PORT + offset, DEFAULT_INFLUX_PORT + offset
        )

    @classmethod
    def free(cls) -> ServerPorts:
        """Three ports that nobody listens on now."""
        ports: set[int] = set()
        while len(ports) < len(cls.__slots__):
            ports.add(free_port())
        return cls(*ports)

    def mqtt_connection(self) -> MqttConnection:
        """How clients reach Mosquitto on these ports."""
        return MqttConnection(url=SecretStr(f"mqtt://{LOOPBACK}:{self.mqtt}"))

    def kafka_connection(self) -> KafkaConnection:
        """How clients reach Kafka on these ports."""
        return KafkaConnection(bootstrap=f"{LOOPBACK}:{self.kafka}")

    def influx_connection(self) -> InfluxConnection:
        """How clients reach InfluxDB on these ports."""
        return InfluxConnection(url=f"http://{LOOPBACK}:{self.influx}")


def native_servers(
    data: Path, ports: ServerPorts, environ: Mapping[str, str] = os.environ
) -> list[NativeServer]:
    """Mosquitto, Kafka and InfluxDB over ``data``, in the order in which they are started.

    They don't need one another, so they may start at the same time.

    Raises:
        MissingProgramError: one of them is not installed; says what to do.
    """
    native = find_native(environ)
    data = data.resolve()
    return [
        mosquitto_server(data, ports.mqtt, native),
        kafka_server(data, ports.kafka, native, controller_port=free_port()),
        influxdb_server(data, ports.influx, native),
    ]
