"""Readings, statuses, replies and commands: one msgspec struct each, with ranges and units.

Structs are strict about what the contract names and forbid unknown fields, so one pass of
the decoder both parses and validates. What real devices also send (``12.0`` for an integer,
extra fields) is normalised by `ingest.decode` before it enters the log; behind the bridge
every reading satisfies these structs as they stand.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
MAX_BOOT: Final = 2**32 - 1
MAX_SEQ: Final = 2**53 - 1
MAX_PAYLOAD_BYTES: Final = 256 * 1024
MAX_ARRAY: Final = 1000
BELIEVED_AHEAD_MS: Final = 5_000
"""A reading's ``ts`` may be so much ahead of the bridge's receive time."""

EpochMs = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX, extra={"unit": "ms"})]
"""Milliseconds since the Unix epoch, UTC. Any 64-bit value; the bridge judges belief."""
Boot = Annotated[int, Meta(ge=0, le=MAX_BOOT)]
Percent = Annotated[float, Meta(ge=0, le=100, extra={"unit": "%"})]
Share = Annotated[float, Meta(ge=0, le=1, extra={"unit": "1"})]

Service = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9-]{1,64}\Z",
        # \Z is Python's own, and its $ would let a newline at the end pass; so the published
        # schema has $ (see `schemas.jsonschemas`) and this, which refuses one in any dialect.
        extra_json_schema={"not": {"pattern": "[^a-z0-9-]"}},
    ),
]
"""Names a service; goes into line protocol as a tag, and into keys, without escaping."""


class ReadingHead(
    Struct, tag_field="type", forbid_unknown_fields=True, frozen=True, gc=False, kw_only=True
):
    """What every reading has: event time, and (boot, seq), its name within the device."""

    ts: EpochMs
    boot: Boot
    seq: Annotated[int, Meta(ge=0, le=MAX_SEQ)]


class Passage(ReadingHead, tag="passage", frozen=True, gc=False, omit_defaults=True):
    """One recognised face at an entrance (camera of a face-recognition access point).

    ``person`` is the terminal's opaque id on MQTT, and a keyed pseudonym behind the bridge.
    """

    person: Annotated[str, Meta(min_length=1, max_length=128)]
    direction: Literal["in", "out"]
    mask: bool | None = None
    body_celsius: Annotated[float, Meta(ge=25, le=45, extra={"unit": "°C"})] | None = None
    confidence: Share | None = None


class Scene(ReadingHead, tag="scene", frozen=True, gc=False):
    """What a surveillance camera sees, and how well its stream and storage are."""

    people: Annotated[int, Meta(ge=0, le=100_000, extra={"unit": "people"})]
    fps: Annotated[float, Meta(ge=0, le=1000, extra={"unit": "frames/s"})]
    vehicles: Annotated[int, Meta(ge=0, le=100_000, extra={"unit": "vehicles"})] | None = None
    motion: Share | None = None
    bitrate_kbps: Annotated[float, Meta(ge=0, le=1e6, extra={"unit": "kbit/s"})] | None = None
    storage_free_pct: Percent | None = None
    tamper: bool | None = None


class Temperature(ReadingHead, tag="temperature", frozen=True, gc=False):
    """One value of a thermometer."""

    celsius: Annotated[float, Meta(ge=-90, le=150, extra={"unit": "°C"})]
    subject: Literal["ambient", "body", "water", "surface"] = "ambient"
    humidity_pct: Percent | None = None


class Air(ReadingHead, tag="air", frozen=True, gc=False):
    """Air at a bus stop with an ionizer."""

    efficiency_pct: Percent
    ions_cm3: Annotated[float, Meta(ge=0, le=1e9, extra={"unit": "ions/cm³"})] | None = None
    ozone_ugm3: Annotated[float, Meta(ge=0, le=5000, extra={"unit": "µg/m³"})] | None = None
    pm25_ugm3: Annotated[float, Meta(ge=0, le=5000, extra={"unit": "µg/m³"})] | None = None
    co2_ppm: Annotated[float, Meta(ge=0, le=50_000, extra={"unit": "ppm"})] | None = None
    filter_hours: Annotated[float, Meta(ge=0, le=1e6, extra={"unit": "h"})] | None = None
    power_w: Annotated[float, Meta(ge=0, le=10_000, extra={"unit": "W"})] | None = None
    people: Annotated[int, Meta(ge=0, le=1000, extra={"unit": "people"})] | None = None


class Audio(ReadingHead, tag="audio", frozen=True, gc=False):
    """What a loudspeaker does now."""

    volume_pct: Percent
    playing: bool
    announcement: str | None = None
    queue: Annotated[int, Meta(ge=0, le=1000, extra={"unit": "announcements"})] | None = None
    noise_db: Annotated[float, Meta(ge=0, le=160, extra={"unit": "dB"})] | None = None


class Ticket(ReadingHead, tag="ticket", frozen=True, gc=False):
    """One step in the life of an application at an iQala desk."""

    ticket: Annotated[str, Meta(min_length=1, max_length=64)]
    service: Service
    event: Literal["opened", "called", "closed", "abandoned"]


Reading = Passage | Scene | Temperature | Air | Audio | Ticket

READING_STRUCTS: Final[dict[str, type[Reading]]] = {
    "passage": Passage,
    "scene": Scene,
    "temperature": Temperature,
    "air": Air,
    "audio": Audio,
    "ticket": Ticket,
}

KIND_OF_TYPE: Final[dict[str, str]] = {
    "passage": "camera",
    "scene": "camera",
    "temperature": "thermometer",
    "air": "ionizer",
    "audio": "speaker",
    "ticket": "desk",
}
"""Which kind of device may send a reading of a type."""


class Status(Struct, frozen=True, gc=False, kw_only=True):
    """A device's own word on whether it is there (retained, and its last will)."""

    state: Literal["online", "offline"]
    ts: EpochMs
    boot: Boot
    firmware: Annotated[str, Meta(max_length=128)] | None = None


class Reply(Struct, frozen=True, gc=False, kw_only=True):
    """A device's answer to a command, one for each step it takes."""

    command: Annotated[str, Meta(min_length=1, max_length=64)]
    status: Literal["delivered", "playing", "played", "failed"]
    ts: EpochMs
    reason: Annotated[str, Meta(max_length=1024)] | None = None


class Command(Struct, frozen=True, gc=False, kw_only=True):
    """What Qala asks of a device; void from ``expires`` on. An action has further fields."""

    command: Annotated[str, Meta(min_length=1, max_length=64)]
    action: Annotated[str, Meta(min_length=1, max_length=64)]
    expires: EpochMs
