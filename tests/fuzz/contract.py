"""What the contract's tables say of messages, written out once more for the fuzzer.

It shares nothing with `schemas` and `ingest`: two readings of one page have to agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

INT64: Final = 2**63 - 1
MAX_PAYLOAD: Final = 256 * 1024
MAX_ARRAY: Final = 1000
FROM_MS: Final = 1_577_836_800_000
AHEAD_MS: Final = 5_000

_ID: Final = r"[a-z0-9][a-z0-9-]{0,62}"
TOPIC: Final = re.compile(
    rf"qala/v1/(?P<site>{_ID})/(?P<kind>camera|thermometer|ionizer|speaker|desk)"
    rf"/(?P<device>{_ID})/(?P<channel>telemetry|status|reply)"
)


class Whole(NamedTuple):
    """An integer; ``12.0`` is one, too."""

    low: int
    high: int


class Number(NamedTuple):
    """A finite number."""

    low: float
    high: float


class Text(NamedTuple):
    """A string of so many characters, of a form where one is named."""

    low: int
    high: int
    form: str = ".*"


Field = Whole | Number | Text | type[bool] | tuple[str, ...]

_NAME: Final[dict[str, Field]] = {
    "ts": Whole(-INT64 - 1, INT64),
    "boot": Whole(0, 2**32 - 1),
    "seq": Whole(0, 2**53 - 1),
}
_PCT: Final = Number(0, 100)

REQUIRED: Final[dict[str, dict[str, Field]]] = {
    "passage": {**_NAME, "person": Text(1, 128), "direction": ("in", "out")},
    "scene": {**_NAME, "people": Whole(0, 100_000), "fps": Number(0, 1000)},
    "temperature": {**_NAME, "celsius": Number(-90, 150)},
    "air": {**_NAME, "efficiency_pct": _PCT},
    "audio": {**_NAME, "volume_pct": _PCT, "playing": bool},
    "ticket": {
        **_NAME,
        "ticket": Text(1, 64),
        "service": Text(1, 64, "[a-z0-9-]*"),
        "event": ("opened", "called", "closed", "abandoned"),
    },
    "status": {"state": ("online", "offline"), "ts": _NAME["ts"], "boot": _NAME["boot"]},
    "reply": {
        "command": Text(1, 64),
        "status": ("delivered", "playing", "played", "failed"),
        "ts": _NAME["ts"],
    },
}
OPTIONAL: Final[dict[str, dict[str, Field]]] = {
    "passage": {"mask": bool, "body_celsius": Number(25, 45), "confidence": Number(0, 1)},
    "scene": {
        "vehicles": Whole(0, 100_000),
        "motion": Number(0, 1),
        "bitrate_kbps": Number(0, 1e6),
        "storage_free_pct": _PCT,
        "tamper": bool,
    },
    "temperature": {"subject": ("ambient", "body", "water", "surface"), "humidity_pct": _PCT},
    "air": {
        "ions_cm3": Number(0, 1e9),
        "ozone_ugm3": Number(0, 5000),
        "pm25_ugm3": Number(0, 5000),
        "co2_ppm": Number(0, 50_000),
        "filter_hours": Number(0, 1e6),
        "power_w": Number(0, 10_000),
        "people": Whole(0, 1000),
    },
    "audio": {"announcement": Text(0, INT64), "queue": Whole(0, 1000), "noise_db": Number(0, 160)},
    "ticket": {},
    "status": {"firmware": Text(0, 128)},
    "reply": {"reason": Text(0, 1024)},
}
SENT_BY: Final = {
    "passage": "camera",
    "scene": "camera",
    "temperature": "thermometer",
    "air": "ionizer",
    "audio": "speaker",
    "ticket": "desk",
}


def meant(value: object, kind: str, channel: str) -> dict[str, object] | None:
    """The fields that the log must hold of a message's object; None where it is to be rejected.

    Of a reading they hold its ``type``. A field that is absent or null is left out.
    """
    if not isinstance(value, Mapping):
        return None
    fields: dict[str, object] = {}
    name = channel
    if channel == "telemetry":
        name = value.get("type")
        if not isinstance(name, str) or SENT_BY.get(name) != kind:
            return None
        fields["type"] = name
    for field, shape in (REQUIRED[name] | OPTIONAL[name]).items():
        given = value.get(field)
        if given is None and field in OPTIONAL[name]:
            continue
        if not _fits(given, shape):
            return None
        fields[field] = given
    return fields


def _fits(given: object, shape: Field) -> bool:
    if shape is bool:
        return isinstance(given, bool)
    if isinstance(shape, Whole | Number):
        if isinstance(given, bool) or not isinstance(given, int | float):
            return False
        whole = isinstance(given, int) or given.is_integer()
        return (whole or isinstance(shape, Number)) and shape.low <= given <= shape.high
    if not isinstance(given, str):
        return False
    if isinstance(shape, Text):
        return (
            shape.low <= len(given) <= shape.high
            and re.fullmatch(shape.form, given, re.DOTALL) is not None
        )
    return isinstance(shape, tuple) and given in shape
