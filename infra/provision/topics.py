"""What each Kafka topic is made with: clean-up, retention, sizes and whose timestamps."""

from __future__ import annotations

from typing import Final

from schemas import topics
from schemas.measurements import DAY_S

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = DAY_S * 1000
_MIB: Final = 1 << 20
_FOR_EVER: Final = "-1"
_ANY_TIME_MS: Final = str(2**63 - 1)

TIME_LIMITS: Final = ("message.timestamp.after.max.ms", "message.timestamp.before.max.ms")

# How long a record stays; None: until a newer one of its key replaces it
_KEPT_DAYS: Final[dict[str, int | None]] = {
    topics.TELEMETRY: 7,
    topics.ROLLUPS: 2,
    topics.ALERTS: 90,
    topics.DEVICES: None,
    topics.COMMANDS: 30,
    topics.DEAD_LETTERS: 30,
    topics.STATE: None,
    topics.CHAT: 30,
}
_COMPACTED: Final = frozenset(
    {topics.ALERTS, topics.DEVICES, topics.COMMANDS, topics.STATE, topics.CHAT}
)

_COMPACTION: Final = {
    # a segment is compacted only once it is closed; these topics are small
    "segment.ms": str(_HOUR_MS),
    "segment.bytes": str(64 * _MIB),
}
_OF_TOPIC: Final[dict[str, dict[str, str]]] = {
    topics.TELEMETRY: {
        # an envelope with one array of 1000 readings, and room
        "max.message.bytes": str(4 * _MIB),
        "segment.bytes": str(256 * _MIB),
    },
    topics.ROLLUPS: {"segment.bytes": str(64 * _MIB), "segment.ms": str(6 * _HOUR_MS)},
    # up to 900 kB of a rejected message, sealed, with its headers
    topics.DEAD_LETTERS: {"max.message.bytes": str(2 * _MIB)},
    topics.STATE: {
        # one flush is one batch
        "max.message.bytes": str(16 * _MIB),
        # closed often and compacted early, so that a worker has little to load
        "segment.ms": str(10 * _MINUTE_MS),
        "segment.bytes": str(64 * _MIB),
        "min.cleanable.dirty.ratio": "0.1",
    },
}


def topic_configs(topic: str, *, simulated_clock: bool = False) -> dict[str, str]:
    """All configuration that a topic of the contract is made with.

    On a simulated clock telemetry takes the bridge's timestamps, any timestamp is accepted, and
    nothing is deleted by age: a simulated year is not one of the broker's.
    """
    days = _KEPT_DAYS[topic]
    compacted = topic in _COMPACTED
    configs = dict(_COMPACTION) if compacted else {}
    configs |= _OF_TOPIC.get(topic, {})
    if compacted:
        configs["cleanup.policy"] = "compact" if days is None else "compact,delete"
    else:
        configs["cleanup.policy"] = "delete"
    if days is not None:
        configs["retention.ms"] = _FOR_EVER if simulated_clock else str(days * _DAY_MS)
    broker_stamps = topic == topics.TELEMETRY and not simulated_clock
    configs["message.timestamp.type"] = "LogAppendTime" if broker_stamps else "CreateTime"
    if simulated_clock:
        configs |= dict.fromkeys(TIME_LIMITS, _ANY_TIME_MS)
    return configs
