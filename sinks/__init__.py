"""Sinks: from Kafka into InfluxDB, the on-call chat and the dead letters."""

from __future__ import annotations

from sinks.chat_stage import run_chat_sink
from sinks.contract import Rejected, Sink, Trouble, Written
from sinks.errors import ChatUrlError, SinkError, UnsupportedInfluxError
from sinks.influx import InfluxSink
from sinks.influx_stage import run_influx_sink
from sinks.kafka import LastValue, read_compacted
from sinks.memory import ListSink
from sinks.settings import ChatSinkSettings, InfluxSinkSettings

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
