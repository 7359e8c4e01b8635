"""Sinks: from Kafka into InfluxDB, the on-call chat and the dead letters."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from sinks.contract import Rejected, Sink, Trouble, Written
from sinks.errors import ChatUrlError, SinkError, UnsupportedInfluxError
from sinks.kafka import LastValue, read_compacted
from sinks.memory import ListSink
from sinks.settings import ChatSinkSettings, InfluxSinkSettings

if TYPE_CHECKING:
    from sinks.chat_stage import run_chat_sink
    from sinks.influx import InfluxSink
    from sinks.influx_stage import run_influx_sink

__all__ = [
    "ChatSinkSettings",
    "ChatUrlError",
    "InfluxSink",
    "InfluxSinkSettings",
    "LastValue",
    "ListSink",
    "Rejected",
    "Sink",
    "SinkError",
    "Trouble",
    "UnsupportedInfluxError",
    "Written",
    "read_compacted",
    "run_chat_sink",
    "run_influx_sink",
]

_WHEN_ASKED_FOR: Final = {
    "InfluxSink": "sinks.influx",
    "run_chat_sink": "sinks.chat_stage",
    "run_influx_sink": "sinks.influx_stage",
}


def __getattr__(name: str) -> object:
    # InfluxDB's client takes most of a second to import, and Apprise a third: no stage needs both
    if name in _WHEN_ASKED_FOR:
        return getattr(import_module(_WHEN_ASKED_FOR[name]), name)
    raise AttributeError(f"module 'sinks' has no attribute {name!r}")
