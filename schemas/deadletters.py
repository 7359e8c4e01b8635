"""Why input was rejected, and the headers that a dead letter carries."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

HEADER_TOPIC: Final = "topic"
HEADER_RX: Final = "rx"
HEADER_REASON: Final = "reason"
HEADER_DETAIL: Final = "detail"
HEADER_BRIDGE: Final = "bridge"
HEADER_INDEX: Final = "index"
HEADER_SEALED: Final = "sealed"
HEADER_SIZE: Final = "size"
HEADER_SHA256: Final = "sha256"
HEADER_REPLAY_OF: Final = "replay-of"
"""Of a letter that was refused again when it was replayed: the letter before, as
``partition/offset``."""

HEADER_REPLAYED: Final = "replayed"
"""What makes a record of the topic the mark of a replay, and no letter: the letter that was
replayed, as ``partition/offset``. Its value is empty, its topic, rx and reason are the letter's,
and it stands in the letter's partition."""
HEADER_ACCEPTED: Final = "accepted"
"""In the mark of a replay: readings, statuses and replies that went into the log."""
HEADER_REFUSED: Final = "refused"
"""In the mark of a replay: new letters that it made, each with ``replay-of``."""

REPLAY_BRIDGE: Final = "replay"
"""Stands as ``bridge`` in the envelopes, letters and marks that replays write. Receive times of
such an envelope are old: they say nothing of how fast Qala is."""

MAX_LETTER_BYTES: Final = 900_000
"""Longer input is cut to this and carries its ``size`` and ``sha256``."""


class Reason(StrEnum):
    """The documented list of reason codes."""

    TOPIC_SHAPE = "topic_shape"
    TOPIC_ID = "topic_id"
    TOPIC_KIND = "topic_kind"
    TOPIC_CHANNEL = "topic_channel"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    NESTED_TOO_DEEP = "nested_too_deep"
    NOT_AN_OBJECT = "not_an_object"
    ARRAY_LENGTH = "array_length"
    UNKNOWN_TYPE = "unknown_type"
    WRONG_KIND = "wrong_kind"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    REFUSED_BY_KAFKA = "refused_by_kafka"
    NOT_FOLDED = "not_folded"
    REFUSED_BY_INFLUXDB = "refused_by_influxdb"
    NOT_A_RECORD = "not_a_record"


EXPLAINED: Final[dict[Reason, str]] = {
    Reason.TOPIC_SHAPE: "the topic is not qala/v1/{site}/{kind}/{device}/{channel}",
    Reason.TOPIC_ID: "the site or the device in the topic is not an id",
    Reason.TOPIC_KIND: "the kind in the topic is unknown",
    Reason.TOPIC_CHANNEL: "the channel in the topic is not one that devices write",
    Reason.TOO_LARGE: "the payload is larger than 256 KiB",
    Reason.NOT_JSON: "the payload is not UTF-8 JSON (a NaN is not JSON either)",
    Reason.NESTED_TOO_DEEP: "the JSON is nested deeper than a parser can follow",
    Reason.NOT_AN_OBJECT: "a reading is a JSON object, or an array of them",
    Reason.ARRAY_LENGTH: "an array holds 1 to 1000 readings",
    Reason.UNKNOWN_TYPE: "no reading has this type",
    Reason.WRONG_KIND: "this kind of device may not send this type of reading",
    Reason.MISSING_FIELD: "a field that is not optional is missing",
    Reason.WRONG_TYPE: "a field has the wrong JSON type",
    Reason.OUT_OF_RANGE: "a value is outside its accepted range or list",
    Reason.REFUSED_BY_KAFKA: "Kafka refuses this line for good; it is too large for the topic",
    Reason.NOT_FOLDED: "the stream processor could not take this line in",
    Reason.REFUSED_BY_INFLUXDB: "InfluxDB refused this line",
    Reason.NOT_A_RECORD: "a Kafka record does not have the shape of its topic",
}


def is_replay_mark(headers: Iterable[tuple[str, bytes]]) -> bool:
    """Whether a record of the dead letters' topic says of a letter that it was replayed.

    Whoever counts letters leaves these out.
    """
    return any(name == HEADER_REPLAYED for name, _ in headers)
