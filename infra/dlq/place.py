"""Where in a letter's text it went wrong. No I/O."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from infra.dlq.errors import JsonTextError
from infra.dlq.jsontext import JsonText, Path, deepest_bracket
from schemas.deadletters import Reason
from schemas.topics import KINDS, is_id

_FIELD: Final = re.compile(r"the field '([^']{1,64})' (.*)\Z")
_TYPE_FIELD: Final = frozenset({Reason.UNKNOWN_TYPE, Reason.WRONG_KIND})
_OF_A_FIELD: Final = frozenset({Reason.MISSING_FIELD, Reason.WRONG_TYPE, Reason.OUT_OF_RANGE})
_WHOLE: Final = frozenset({Reason.NOT_AN_OBJECT, Reason.ARRAY_LENGTH})
_ESCAPE_CHARS: Final = len(r"\x00")
_LEVELS: Final = 6


class Place(NamedTuple):
    """Characters from ``begin`` up to, without, ``end`` (equal: between two), and a few words."""

    begin: int
    end: int
    note: str


def text_of(body: bytes) -> str:
    r"""``body`` as text; a byte that is not UTF-8 stands as ``\xNN``."""
    return body.decode(errors="backslashreplace")


def place_in(body: bytes, reason: str, detail: str, index: int | None = None) -> Place | None:
    """The place in `text_of` of ``body`` that ``reason`` and ``detail`` speak of, if there is one.

    ``index`` is the letter's place in an array, for bytes that are still the whole array.
    """
    if reason == Reason.NOT_JSON:
        return _not_json(body)
    text = text_of(body)
    try:
        return _in_json(text, reason, detail, index)
    except JsonTextError:
        return None


def _not_json(body: bytes) -> Place | None:
    try:
        text = body.decode()
    except UnicodeDecodeError as exc:
        begin = len(body[: exc.start].decode())
        return Place(begin, begin + _ESCAPE_CHARS, "this byte is not UTF-8")
    try:
        JsonText(text)
    except JsonTextError as exc:
        return Place(exc.at, min(exc.at + 1, len(text)), str(exc))
    return None


def _in_json(text: str, reason: str, detail: str, index: int | None) -> Place | None:
    if reason == Reason.NESTED_TOO_DEEP:
        deepest = deepest_bracket(text)
        return None if deepest is None else Place(*deepest, "nested deepest here")
    outer: Path = () if index is None or not text.lstrip().startswith("[") else (index,)
    found = _FIELD.match(detail)
    if reason in _TYPE_FIELD:
        return _field(text, (*outer, "type"), detail)
    if reason in _OF_A_FIELD and found is not None:
        place = _field(text, (*outer, found[1]), found[2])
        if place is None and reason == Reason.MISSING_FIELD:
            return _closing(text, outer, f"'{found[1]}' is missing")
        return place
    if reason == Reason.OUT_OF_RANGE:
        number = JsonText(text).too_large
        return None if number is None else Place(*number, detail)
    return _field(text, outer, "") if reason in _WHOLE else None


def _field(text: str, path: Path, note: str) -> Place | None:
    """The value at ``path``; of a repeated name the last, which is the one that counts."""
    found = JsonText(text, path).found
    if not found:
        return None
    if len(found) > 1:
        note = f"{note} (the name stands {len(found)} times, the last counts)".lstrip()
    return Place(*found[-1], note)


def _closing(text: str, path: Path, note: str) -> Place | None:
    found = JsonText(text, path).found
    return Place(found[-1][1] - 1, found[-1][1], note) if found else None


def place_in_topic(topic: str, reason: str) -> Place | None:
    """The level of an MQTT topic that is wrong, where it is one of them."""
    levels = topic.split("/")
    if len(levels) != _LEVELS:
        return None
    wrong = {
        Reason.TOPIC_ID: next((n for n in (2, 4) if not is_id(levels[n])), None),
        Reason.TOPIC_KIND: 3 if levels[3] not in KINDS else None,
        Reason.TOPIC_CHANNEL: 5,
    }
    number = next((level for code, level in wrong.items() if code == reason), None)
    if number is None:
        return None
    begin = sum(len(level) + 1 for level in levels[:number])
    return Place(begin, begin + len(levels[number]), "")
