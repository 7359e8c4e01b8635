"""Lines of envelopes, read as plain dictionaries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from tests.chaos.recompute.contract import REQUIRED, TAG_DEFAULTS, TAGS
from tests.chaos.recompute.moments import LogRecord

_READING = b'"reading":'
_ORIGIN = (("site", str), ("kind", str), ("device", str), ("rx", int))
_NAME = ("ts", "boot", "seq")


class Line(NamedTuple):
    """What a device said in the record at ``record``: a reading or a status.

    ``at`` (ms) is there where its clock was not believed; ``size`` is of the reading's JSON. It
    is ``live`` where no replay of dead letters wrote it.
    """

    record: int
    site: str
    kind: str
    device: str
    at: int | None
    reading: dict[str, Any] | None
    status: dict[str, Any] | None
    size: int
    live: bool

    @property
    def key(self) -> tuple[str, str]:
        """The device's identity."""
        return self.site, self.device


def lines(log: Sequence[LogRecord]) -> Iterator[Line | None]:
    """Every reading and status of a log in order, and None for what is no line at all."""
    for place, record in enumerate(log):
        for raw in (record.value or b"").removesuffix(b"\n").split(b"\n"):
            if record.value:
                yield from _line(place, raw, live=("bridge", b"replay") not in record.headers)


def tags_of(reading: dict[str, Any]) -> tuple[str, ...]:
    """The tags of a reading's row, in the contract's order."""
    return tuple(reading.get(tag, TAG_DEFAULTS.get(tag)) for tag in TAGS[reading["type"]])


def _line(place: int, raw: bytes, *, live: bool) -> Iterator[Line | None]:
    try:
        line = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        line = None
    if not _is_line(line):
        yield None
        return
    reading, status = line.get("reading"), line.get("status")
    if reading is None and status is None:
        return  # a reply, or what an operator decided
    size = len(raw) - raw.index(_READING) - len(_READING) - len(b"}") if reading else 0
    origin = line["site"], line["kind"], line["device"]
    yield Line(place, *origin, line.get("at"), reading, status, size, live)


def _is_line(line: Any) -> bool:
    """Whether it is whole; what its values may be, the bridge has judged."""
    if not isinstance(line, dict):
        return False
    if any(not isinstance(line.get(name), kind) for name, kind in _ORIGIN):
        return False
    reading = line.get("reading")
    if reading is None:
        return True
    if not isinstance(reading, dict) or reading.get("type") not in REQUIRED:
        return False
    return all(name in reading for name in (*_NAME, *REQUIRED[reading["type"]]))
