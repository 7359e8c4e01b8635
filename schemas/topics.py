"""Names of topics on MQTT and Kafka, and which partition a site belongs to."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple
from zlib import crc32

from schemas.errors import TopicError

TELEMETRY: Final = "qala.telemetry.v1"
ROLLUPS: Final = "qala.rollups.v1"
ALERTS: Final = "qala.alerts.v1"
DEVICES: Final = "qala.devices.v1"
COMMANDS: Final = "qala.commands.v1"
DEAD_LETTERS: Final = "qala.dead-letters.v1"
STATE: Final = "qala.state.v1"
CHAT: Final = "qala.chat.v1"
ALL_TOPICS: Final = (TELEMETRY, ROLLUPS, ALERTS, DEVICES, COMMANDS, DEAD_LETTERS, STATE, CHAT)

DEFAULT_PARTITIONS: Final = 8

MQTT_ROOT: Final = "qala/v1"
KINDS: Final = ("camera", "thermometer", "ionizer", "speaker", "desk")
CHANNELS: Final = ("telemetry", "status", "reply")
"""Channels that lead to Qala; ``command`` leads away from it."""

Kind = Literal["camera", "thermometer", "ionizer", "speaker", "desk"]

_LEVELS = 6
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")


class DeviceTopic(NamedTuple):
    """The levels of one MQTT topic of a device."""

    site: str
    kind: str
    device: str
    channel: str


def is_id(text: str) -> bool:
    """Whether ``text`` can name a site or a device (``[a-z0-9][a-z0-9-]{0,62}``)."""
    return _ID.match(text) is not None


def parse_mqtt_topic(topic: str) -> DeviceTopic:
    """Split ``qala/v1/{site}/{kind}/{device}/{channel}`` into its levels.

    Raises:
        TopicError: the topic has another shape; its ``reason`` is the dead-letter code.
    """
    levels = topic.split("/")
    if len(levels) != _LEVELS or not topic.startswith("qala/v1/"):
        raise TopicError(
            "topic_shape",
            "the topic does not have the shape qala/v1/{site}/{kind}/{device}/{channel}",
        )
    _, _, site, kind, device, channel = levels
    for level, value in (("site", site), ("device", device)):
        if not is_id(value):
            raise TopicError(
                "topic_id",
                f"the {level} in the topic is not an id: 1 to 63 of a-z, 0-9 and '-', "
                "the first not a '-'",
            )
    if kind not in KINDS:
        raise TopicError("topic_kind", f"the kind in the topic is not one of {', '.join(KINDS)}")
    if channel not in CHANNELS:
        raise TopicError(
            "topic_channel", f"the channel in the topic is not one of {', '.join(CHANNELS)}"
        )
    return DeviceTopic(site, kind, device, channel)


def mqtt_topic(site: str, kind: str, device: str, channel: str) -> str:
    """The MQTT topic on which a device talks (``telemetry``, ``status``, …)."""
    return f"{MQTT_ROOT}/{site}/{kind}/{device}/{channel}"


def partition_of(site: str, partitions: int) -> int:
    """The partition of a site: CRC-32 of its UTF-8 bytes mod the partition count."""
    return crc32(site.encode()) % partitions
