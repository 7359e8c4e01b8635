"""The native servers: Mosquitto, Kafka and InfluxDB as processes of this machine, on loopback."""

from __future__ import annotations

from infra.native.errors import (
    MissingProgramError,
    NotReadyError,
    PortInUseError,
    ServerDiedError,
    ServerError,
)
from infra.native.folder import NativeFolder, find_native, native_root, versions
from infra.native.influxdb import influxdb_server
from infra.native.kafka import kafka_server
from infra.native.mosquitto import mosquitto_server
from infra.native.ports import check_port_free, free_port
from infra.native.process import died, last_words, start, stop, wait_ready
from infra.native.server import LOOPBACK, NativeServer, log_path

__all__ = [
    "LOOPBACK",
    "MissingProgramError",
    "NativeFolder",
    "NativeServer",
    "NotReadyError",
    "PortInUseError",
    "ServerDiedError",
    "ServerError",
    "check_port_free",
    "died",
    "find_native",
    "free_port",
    "influxdb_server",
    "kafka_server",
    "last_words",
    "log_path",
    "mosquitto_server",
    "native_root",
    "start",
    "stop",
    "versions",
    "wait_ready",
]
