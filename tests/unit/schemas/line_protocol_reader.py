"""A small reader of line protocol, written from its reference and not from our writer.

https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
"""

from __future__ import annotations

import re
from typing import NamedTuple

Value = int | float | bool | str

_INT = re.compile(r"-?[0-9]+i")
_FIELD = re.compile(
    r'(?P<key>(?:\\.|[^,=\\ "])+)=(?P<value>"(?:\\.|[^"\\])*"|[^,"]+)(?:,|\Z)', re.DOTALL
)
_FLOAT = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_TRUTH = {"t": True, "T": True, "true": True, "True": True, "TRUE": True}
_UNTRUTH = {"f": False, "F": False, "false": False, "False": False, "FALSE": False}


class Row(NamedTuple):
    """One row as InfluxDB would hold it."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, Value]
    timestamp_ns: int


def read_row(text: str) -> Row:
    """Read one row; raises `ValueError` where it is none, or has more than one of a key."""
    series, place = _until(text, 0, " ")
    field_text, place = _fields_end(text, place + 1)
    stamp = text[place + 1 :]
    if not re.fullmatch(r"-?[0-9]+", stamp) or not -(2**63) < int(stamp) < 2**63:
        raise ValueError(f"no timestamp: {stamp!r}")
    name, *tag_texts = _split(series, ",")
    tags: dict[str, str] = {}
    for tag in tag_texts:
        key, value = _split(tag, "=")
        if not value or key in tags:
            raise ValueError(f"a tag without a value, or twice: {tag!r}")
        tags[_plain(key)] = _plain(value)
    return Row(_plain(name), tags, _fields(field_text), int(stamp))


def _until(text: str, start: int, stop: str) -> tuple[str, int]:
    place = start
    while place < len(text):
        if text[place] == "\n":
            raise ValueError("a newline outside a string ends the row")
        if text[place] == stop and text[place - 1] != "\\":
            return text[start:place], place
        place += 1
    raise ValueError(f"no {stop!r} in {text!r}")


def _split(text: str, at: str) -> list[str]:
    return re.split(rf"(?<!\\){re.escape(at)}", text)


def _plain(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text)


def _fields_end(text: str, start: int) -> tuple[str, int]:
    quoted = False
    place = start
    while place < len(text):
        letter = text[place]
        if quoted and letter == "\\":
            place += 1
        elif letter == '"':
            quoted = not quoted
        elif letter == "\n" and not quoted:
            raise ValueError("a newline outside a string ends the row")
        elif letter == " " and not quoted and text[place - 1] != "\\":
            return text[start:place], place
        place += 1
    raise ValueError(f"no timestamp in {text!r}")


def _fields(text: str) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    place = 0
    while place < len(text):
        match = _FIELD.match(text, place)
        if match is None or _plain(match["key"]) in fields:
            raise ValueError(f"no field, or one that is there twice: {text[place:]!r}")
        fields[_plain(match["key"])] = _value(match["value"])
        place = match.end()
    if not fields or text.endswith(","):
        raise ValueError(f"no field: {text!r}")
    return fields


def _value(text: str) -> Value:
    if text.startswith('"'):
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if text in _TRUTH or text in _UNTRUTH:
        return text in _TRUTH
    if _INT.fullmatch(text):
        number = int(text[:-1])
        if not -(2**63) <= number < 2**63:
            raise ValueError(f"an integer beyond 64 bits: {text}")
        return number
    if _FLOAT.fullmatch(text):
        return float(text)
    raise ValueError(f"no value: {text!r}")
