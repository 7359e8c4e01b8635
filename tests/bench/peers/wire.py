"""What the hand-written peers pass on through Kafka: one JSON object for each reading."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from schemas.readings import READING_STRUCTS, Reading

TAGS: Final[dict[str, tuple[str, ...]]] = {
    "passage": ("direction",),
    "temperature": ("subject",),
    "ticket": ("service", "event"),
}
_STRINGS: Final = frozenset({"person", "announcement", "ticket", "service"})
NUMBERS: Final[dict[str, tuple[str, ...]]] = {
    name: tuple(
        field
        for field in struct.__struct_fields__
        if field not in {"ts", "boot", "seq", *_STRINGS, *TAGS.get(name, ())}
    )
    for name, struct in READING_STRUCTS.items()
}
"""Numeric and boolean fields of each type, in their order."""
STRINGS: Final[dict[str, tuple[str, ...]]] = {
    name: tuple(
        field
        for field in struct.__struct_fields__
        if field in _STRINGS and field not in TAGS.get(name, ())
    )
    for name, struct in READING_STRUCTS.items()
}


class Wire(Struct, gc=False):
    """One reading and where it came from."""

    site: str
    device: str
    reading: Reading


class Window(Struct, gc=False):
    """A closed window of one series; ``fields`` are (count, sum, min, max) by name."""

    type: str
    site: str
    device: str
    tags: list[str]
    start: int
    count: int
    fields: dict[str, tuple[int, float, float, float]]


decode_wire = msgspec.json.Decoder(Wire).decode
decode_window = msgspec.json.Decoder(Window).decode


class Progress:
    """Says in a file how many readings have been dealt with, and the CPU seconds until then.

    It stands in for the metrics that a real script would serve.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self.readings = 0
        self.begun = 0
        """Readings that were begun, where these may be more."""

    def write(self) -> None:
        """Say it now."""
        begun = max(self.begun, self.readings)
        text = b"%15d %15.4f %15d" % (self.readings, time.process_time(), begun)
        os.pwrite(self._file, text, 0)


def read_progress(path: Path) -> tuple[float, float, float]:
    """Readings, CPU seconds and begun readings that `Progress` said last; 0 before its first."""
    try:
        readings, cpu_s, begun = path.read_text().split()
    except (FileNotFoundError, ValueError):
        return 0.0, 0.0, 0.0
    return float(readings), float(cpu_s), float(begun)


def tag_values(reading: Any) -> list[str]:
    """The values of a reading's own tags."""
    return [getattr(reading, tag) for tag in TAGS.get(type(reading).__struct_config__.tag, ())]
