"""Settings of the two sinks."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class InfluxSinkSettings(BaseModel):
    """``qala sink influx``: how it batches, waits and reports."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    instance: str = Field("sink-influx", min_length=1)
    """Name of this copy: the tag ``instance`` of its ``pipeline`` rows."""
    group: str = "qala-sink-influx"
    """Kafka consumer group; copies in one group share the partitions."""
    batch_lines: int = Field(5000, ge=1)
    """Most lines of one write."""
    batch_bytes: int = Field(1_000_000, ge=1000, le=20_000_000)
    """Most bytes of one write; InfluxDB 1.8 takes 25 MB."""
    linger_ms: int = Field(500, ge=0)
    """Longest time that a row waits for others before it is written."""
    waiting_lines: int = Field(40_000, ge=1)
    """Rows in memory above which nothing more is read from Kafka."""
    fetch_records: int = Field(64, ge=1)
    """Most records taken from the client in one turn."""
    fetch_min_bytes: int = Field(256 * 1024, ge=1)
    """Kafka answers when it has so much that is new, so that records are read together; or
    after ``fetch_wait_ms``."""
    fetch_wait_ms: int = Field(250, ge=1, le=10_000)
    """Kafka answers after so long, also with less than ``fetch_min_bytes``."""
    commit_ms: int = Field(500, ge=10)
    """How often offsets of what InfluxDB has are committed, and how far partitions have come is
    looked at."""
    write_timeout_s: float = Field(15.0, gt=0)
    """How long one write may take."""
    backoff_first_s: float = Field(0.2, gt=0)
    """Wait before the first repeated write; doubled each time, with jitter."""
    backoff_most_s: float = Field(10.0, gt=0)
    """Longest wait between repeated writes."""
    drain_s: float = Field(5.0, ge=0)
    """How long an orderly stop waits for InfluxDB to take what has been read."""
    pipeline_s: float = Field(10.0, gt=0)
    """Interval of the ``pipeline`` rows."""
    chat_group: str = "qala-sink-chat"
    """What the consumer groups of `qala sink chat` begin with, whose place it reports."""
    remembered_clocks: int = Field(65_536, ge=1)
    """Readings of a wrong clock whose first receive time is remembered."""
    session_timeout_ms: int = Field(6000, ge=1000)
    """After how long without a sign of life Kafka gives this copy's partitions to another."""


FILE_CHANNEL: Final = "file"
"""The name of the chat channel where no URL names another."""


class ChatSinkSettings(BaseModel):
    """``qala sink chat``: where alerts are told, and how failures are met."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    instance: str = Field("sink-chat", min_length=1)
    """Name of this copy, in logs."""
    group: str = "qala-sink-chat"
    """Begins the name of each channel's Kafka consumer group: ``qala-sink-chat.json-0a1b…``."""
    urls: list[SecretStr] = []
    """Apprise URLs (``QALA_CHAT_URLS``), one channel each; without any, a file and the screen."""
    folder: Path = Path(".qala/chat")
    """Where ``messages.ndjson`` is written while there is no URL."""
    waiting_messages: int = Field(5000, ge=1)
    """Messages waiting for one channel, in memory, above which it reads nothing more from Kafka."""
    first_look_back_s: float = Field(3600.0, ge=0)
    """How old an alert may be to be told on the very first start of the whole sink. A channel that
    is added later begins where the others are: it is told what fires or resolves from then on, and
    not what fires already, so the first that it hears of such an alert is that it is resolved."""
    send_timeout_s: float = Field(10.0, gt=0)
    """How long one channel may take for one message."""
    backoff_first_s: float = Field(1.0, gt=0)
    """Wait before a message is sent again; doubled each time, with jitter."""
    backoff_most_s: float = Field(60.0, gt=0)
    """Longest wait before a message is sent again."""
    commit_ms: int = Field(500, ge=10)
    """How often offsets of what every channel has taken are committed."""
    drain_s: float = Field(12.0, ge=0)
    """How long an orderly stop waits for messages that are being sent, and their receipts;
    longer than ``send_timeout_s``, or else such a message may be told twice."""
    session_timeout_ms: int = Field(6000, ge=1000)
    """After how long without a sign of life Kafka gives this copy's partitions to another."""
