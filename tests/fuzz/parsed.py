"""A payload read by Python's own JSON parser, which is not the product's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, Never

from msgspec import Struct

_LONG: Final = 300
"""A number of more digits may be beyond what one of the two parsers takes."""


class Parsed(Struct):
    """What JSON text holds.

    ``huge`` says that it has a number that parsers may refuse, ``person`` that a key ``person``
    or a passage is somewhere in it, also where a later key of the same name hides it.
    """

    value: Any
    huge: bool
    person: bool


class NotJsonError(Exception):
    """The bytes are not JSON in UTF-8 (RFC 8259), with whole surrogate pairs."""


class _Reader:
    def __init__(self) -> None:
        self.huge = self.person = False

    def integer(self, text: str) -> float:
        if len(text) > _LONG:
            self.huge = True
            return float("inf")
        return int(text)

    def number(self, text: str) -> float:
        made = float(text)
        self.huge |= len(text) > _LONG or made in (float("inf"), float("-inf"))
        return made

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self.person |= any(key.casefold() == "person" for key, _ in pairs)
        self.person |= any(value == "passage" for _, value in pairs if isinstance(value, str))
        return dict(pairs)


def _no_number(text: str) -> Never:
    raise ValueError(text)


def parsed(payload: bytes) -> Parsed:
    """What ``payload`` holds.

    Raises:
        NotJsonError: it is not JSON.
        RecursionError: it is nested deeper than this parser follows.
    """
    reader = _Reader()
    try:
        text = payload.decode()
        value = json.loads(
            text,
            parse_int=reader.integer,
            parse_float=reader.number,
            parse_constant=_no_number,
            object_pairs_hook=reader.pairs,
        )
    except ValueError as exc:
        raise NotJsonError from exc
    if "\\u" in text and _has_half_pair(text):
        raise NotJsonError
    return Parsed(value, reader.huge, reader.person)


def _has_half_pair(text: str) -> bool:
    """Whether a string holds half of a surrogate pair; names that are hidden by others count."""
    found: list[object] = []
    json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=found.append)
    whole = json.loads(text, parse_int=str, parse_float=str)
    return any(_not_utf_8(string) for string in _strings([found, whole]))


def _strings(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            waiting += one


def _not_utf_8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
