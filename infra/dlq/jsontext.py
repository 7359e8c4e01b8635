"""Places in JSON text: where a value stands, or where the text stops being JSON (RFC 8259).

A parser for people: it knows positions, and keeps every one of repeated names. No I/O.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Final

from infra.dlq.errors import JsonTextError

Span = tuple[int, int]
"""From this character up to, without, that one."""
Path = Sequence[str | int]
_Step = Callable[[], "_Step"] | None
"""What is to be read next, or None at the end: no recursion, however deep the nesting."""

_SPACE: Final = re.compile(r"[ \t\n\r]*+")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"')
_STRING_SO_FAR: Final = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_WORD: Final = re.compile(r"true|false|null")
_LONE: Final = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_BRACKET: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"|(?P<open>[{\[])|(?P<close>[}\]])', re.DOTALL)


def deepest_bracket(text: str) -> Span | None:
    """The bracket that is nested deepest, in a text that need not be JSON."""
    depth = most = 0
    found = None
    for match in _BRACKET.finditer(text):
        depth += (match["open"] is not None) - (match["close"] is not None)
        if depth > most:
            most, found = depth, match.span()
    return found


class _Open:
    """An object or array that is not closed yet; ``next`` is the name or index of its value."""

    __slots__ = ("array", "begin", "matched", "next")

    def __init__(self, begin: int, *, array: bool, matched: bool) -> None:
        self.begin = begin
        self.array = array
        self.matched = matched
        self.next: str | int = 0


class JsonText:
    """One text that was walked through.

    ``found`` are the places of the values at ``path``: one, several where a name is repeated,
    or none. ``too_large`` is the first number that no 64-bit float holds.
    """

    def __init__(self, text: str, path: Path = ()) -> None:
        """Walk through ``text``.

        Raises:
            JsonTextError: it is not JSON.
        """
        self._text = text
        self._path = path
        self._at = 0
        self._stack: list[_Open] = []
        self.found: list[Span] = []
        self.too_large: Span | None = None
        step: _Step = self._value
        while step is not None:
            step = step()
        if self._at < len(text):
            raise JsonTextError(self._at, "the JSON has ended before this")

    def _space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _peek(self, wanted: str) -> str:
        """The next character that is no space; the text may not end here."""
        self._space()
        if self._at >= len(self._text):
            raise JsonTextError(self._at, f"the text ends where {wanted} should stand")
        return self._text[self._at]

    def _value(self) -> _Step:
        first = self._peek("a value")
        begin = self._at
        if first in "{[":
            return self._open(begin, array=first == "[")
        if first == '"':
            self._string()
        elif first in "-0123456789":
            self._number()
        else:
            self._take(_WORD, "no JSON value begins like this")
        return self._end_value(begin)

    def _take(self, pattern: re.Pattern[str], otherwise: str) -> None:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise JsonTextError(self._at, otherwise)
        self._at = match.end()

    def _number(self) -> None:
        begin = self._at
        self._take(_NUMBER, "a number is not written like this")
        if self._text[self._at : self._at + 1].isalnum():
            raise JsonTextError(self._at, "a number is not written like this")
        if self.too_large is None and math.isinf(float(self._text[begin : self._at])):
            self.too_large = begin, self._at

    def _open(self, begin: int, *, array: bool) -> _Step:
        self._stack.append(_Open(begin, array=array, matched=self._leads_to_path()))
        self._at += 1
        if self._peek("a value or a bracket") == ("]" if array else "}"):
            return self._close()
        return self._value if array else self._member

    def _leads_to_path(self) -> bool:
        """Whether the value that begins here is on the way to the path, or at its end."""
        if not self._stack:
            return True
        outer = self._stack[-1]
        depth = len(self._stack) - 1
        return outer.matched and depth < len(self._path) and outer.next == self._path[depth]

    def _close(self) -> _Step:
        begin = self._stack.pop().begin
        self._at += 1
        return self._end_value(begin)

    def _end_value(self, begin: int) -> _Step:
        if len(self._stack) == len(self._path) and self._leads_to_path():
            self.found.append((begin, self._at))
        if self._stack:
            return self._after_value
        self._space()
        return None

    def _member(self) -> _Step:
        if self._peek("a name") != '"':
            raise JsonTextError(self._at, "the name of a field should stand here, in quotes")
        begin = self._at
        self._string()
        self._stack[-1].next = json.loads(self._text[begin : self._at])
        if self._peek("a colon") != ":":
            raise JsonTextError(self._at, "a colon should stand here")
        self._at += 1
        return self._value

    def _after_value(self) -> _Step:
        inner = self._stack[-1]
        sign = self._peek("a comma or a bracket")
        if sign == ("]" if inner.array else "}"):
            return self._close()
        if sign != ",":
            raise JsonTextError(self._at, "a comma or the closing bracket should stand here")
        self._at += 1
        if not inner.array:
            return self._member
        inner.next = int(inner.next) + 1
        return self._value

    def _string(self) -> None:
        match = _STRING.match(self._text, self._at)
        if match is None:
            begun = _STRING_SO_FAR.match(self._text, self._at)
            at = begun.end() if begun else self._at
            if at >= len(self._text):
                raise JsonTextError(at, "the text ends inside a string")
            if self._text[at] == "\\":
                raise JsonTextError(at, "JSON has no such escape")
            raise JsonTextError(at, "a control character must be escaped in a string")
        for escape in _LONE.finditer(match[0]) if "\\u" in match[0] else ():
            if escape["lone"]:
                raise JsonTextError(match.start() + escape.start(), "half of a surrogate pair")
        self._at = match.end()
