"""Measurements of InfluxDB: which fields and tags a type has, of what kind, kept for how long."""

from __future__ import annotations

from functools import cache
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from schemas.readings import READING_STRUCTS

FieldKind = Literal["int", "float", "bool", "str"]

DAY_S: Final = 86_400


class RetentionPolicy(NamedTuple):
    """A retention policy of the database (on InfluxDB 2.x the bucket ``{database}/{name}``)."""

    name: str
    keep_s: int | None
    shard_s: int


POLICIES: Final[dict[str, RetentionPolicy]] = {
    "raw": RetentionPolicy("raw", 30 * DAY_S, DAY_S),
    "r10s": RetentionPolicy("r10s", 7 * DAY_S, DAY_S),
    "r1m": RetentionPolicy("r1m", 365 * DAY_S, 7 * DAY_S),
    "r1h": RetentionPolicy("r1h", None, 28 * DAY_S),
}
DEFAULT_POLICY: Final = "raw"
POLICY_OF_WINDOW: Final[dict[str, str]] = {"10s": "r10s", "1m": "r1m", "1h": "r1h"}
POLICY_OF_MEASUREMENT: Final[dict[str, str]] = {
    "device_state": "raw",
    "pipeline": "raw",
    "alert": "r1h",
    "announcement": "r1h",
    "simulated": "r1h",
}

DEVICE_STATE_CODES: Final[dict[str, int]] = {
    "online": 3,
    "stale": 2,
    "offline": 1,
    "never_seen": 0,
}
"""The field ``code`` of ``device_state``: what can be reckoned with where ``state`` is a text."""

TICK_LIMIT_S: Final = 10
"""A last tick that is older than this makes every current value unknown."""
LIVENESS_EVERY_MS: Final = 2_000
"""So often, in ms of its own clock, each partition has a ``pipeline`` row of how far it is."""

TAG_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "passage": ("direction",),
    "scene": (),
    "temperature": ("subject",),
    "air": (),
    "audio": (),
    "ticket": ("service", "event"),
}
"""Fields of a reading that are tags of its row, beside ``site`` and ``device``."""

NAMING_FIELDS: Final = ("boot", "seq")
SERIES_PRIME: Final = 7919


class Field(NamedTuple):
    """One field of a reading: its name, kind, whether it may be absent, and its unit."""

    name: str
    kind: FieldKind
    optional: bool
    unit: str


@cache
def fields_of(reading_type: str) -> tuple[Field, ...]:
    """The fields of a type's raw row without ``boot``, ``seq`` and its tags, in struct order."""
    head = {"ts", *NAMING_FIELDS, *TAG_FIELDS[reading_type]}
    return tuple(
        _field(info)
        for info in msgspec.structs.fields(READING_STRUCTS[reading_type])
        if info.name not in head
    )


@cache
def rollup_fields(reading_type: str) -> tuple[Field, ...]:
    """The numeric and boolean fields of a type: those that windows aggregate."""
    return tuple(field for field in fields_of(reading_type) if field.kind != "str")


@cache
def unit_of(reading_type: str, field: str) -> str:
    """The unit of a field, or an empty string. Raises `KeyError` for an unknown one."""
    return {known.name: known.unit for known in fields_of(reading_type)}[field]


def timestamp_ns(event_ms: int, boot: int, seq: int) -> int:
    """A raw row's timestamp: event time, and under the ms a shift by the reading's name.

    Two readings of one millisecond stay two rows, and the same reading is always one row.
    """
    return event_ms * 1_000_000 + (seq + SERIES_PRIME * boot) % 1_000_000


def late_shift_ns(offset: int, window_ms: int) -> int:
    """How far after its window's start the partial of a late reading stands, in ns.

    ``offset`` is the Kafka offset of its envelope, so each envelope has a row of its own.
    """
    return 1 + offset % (window_ms * 1_000_000 - 1)


def _field(info: msgspec.structs.FieldInfo) -> Field:
    described = msgspec.inspect.type_info(info.type)
    optional = isinstance(described, msgspec.inspect.UnionType) and described.includes_none
    return Field(info.name, _kind(described), optional, unit_in(info.type))


def _kind(described: msgspec.inspect.Type) -> FieldKind:
    if isinstance(described, msgspec.inspect.UnionType):
        described = next(
            part for part in described.types if not isinstance(part, msgspec.inspect.NoneType)
        )
    if isinstance(described, msgspec.inspect.Metadata):
        described = described.type
    if isinstance(described, msgspec.inspect.BoolType):
        return "bool"
    if isinstance(described, msgspec.inspect.IntType):
        return "int"
    if isinstance(described, msgspec.inspect.FloatType):
        return "float"
    return "str"


def unit_in(annotation: object) -> str:
    """The unit that a field's annotation carries, or an empty string."""
    for part in (annotation, *get_args(annotation)):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta) and meta.extra and "unit" in meta.extra:
                return str(meta.extra["unit"])
    return ""
