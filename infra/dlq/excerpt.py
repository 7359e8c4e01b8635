"""An outsider's bytes, fit for a terminal: nothing raw, long text cut around a place. No I/O."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from rich.cells import cell_len

from infra.dlq.place import Place

_WHOLE_CHARS: Final = 2000
_BEFORE_CHARS: Final = 300
_AFTER_CHARS: Final = 600
_NEAR_ROWS: Final = 8
_MOST_ROWS: Final = 40
_GAP_SHARE: Final = 0.6
_SAMPLE_BYTES: Final = 4096
_BINARY_SHARE: Final = 0.1
_DUMP_BYTES: Final = 256
_DUMP_ROW: Final = 16


def safe(text: str) -> str:
    """``text`` with everything that isn't printable, line ends too, written as an escape."""
    return text if text.isprintable() else "".join(_shown(char) for char in text)


def shortened(text: str, most: int) -> str:
    """`safe` of ``text``, with an ellipsis in its middle where it is longer than ``most``."""
    if len(text) > most:
        text = f"{text[: most // 2]}…{text[-(most // 2) :]}"
    return safe(text)


def _shown(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()


class Row(Struct):
    """One row of an excerpt; ``line`` is its line's number where the line begins here.

    ``first`` is its first character's place in the whole text. Where it holds the place, or its
    beginning, ``caret`` is the column, and ``width`` how many columns.
    """

    first: int
    line: int | None = None
    text: str = ""
    caret: int | None = None
    width: int = 0


class Excerpt(Struct):
    """Rows of a text, and how many of its characters stand before and behind them."""

    rows: list[Row]
    before: int
    after: int


def excerpt(text: str, place: Place | None, width: int) -> Excerpt:
    """What is shown of ``text``: all where it is short, else its beginning, or around ``place``.

    Rows are at most ``width`` columns wide; no line is cut, longer ones are folded.
    """
    begin = 0 if place is None else max(0, place.begin - _BEFORE_CHARS)
    end = min(len(text), (begin if place is None else place.begin) + _AFTER_CHARS)
    if len(text) <= _WHOLE_CHARS:
        begin, end = 0, len(text)
    rows = _rows(text, begin, end, place, width)
    at = next((n for n, row in enumerate(rows) if row.caret is not None), None)
    first = 0 if at is None or len(rows) <= _MOST_ROWS else max(0, at - _NEAR_ROWS)
    last = first + (_MOST_ROWS if at is None else at - first + _NEAR_ROWS + 1)
    if len(rows) <= _MOST_ROWS:
        last = len(rows)
    after = len(text) - (rows[last].first if last < len(rows) else end)
    return Excerpt(rows[first:last], rows[first].first, after)


def _rows(text: str, begin: int, end: int, place: Place | None, width: int) -> list[Row]:
    firsts = _firsts(text, begin, end, width)
    line = text.count("\n", 0, begin) + 1
    rows = []
    for first, last in zip(firsts, [*firsts[1:], end], strict=True):
        begins = first == 0 or text[first - 1] == "\n"
        rows.append(Row(first, line if begins else None))
        line += last > first and text[last - 1] == "\n"
        _fill(rows[-1], text, last, place, done=any(row.caret is not None for row in rows))
    if place is not None and place.begin >= end:  # behind the last character
        rows[-1].caret, rows[-1].width = cell_len(rows[-1].text), 1
    return rows


def _firsts(text: str, begin: int, end: int, width: int) -> list[int]:
    """The first character of each row; rows end at a line's end, or behind a comma or a space."""
    firsts = [begin]
    column = since_gap = 0
    gap = begin
    for at in range(begin, end):
        columns = _columns(text[at])
        if column + columns > width:
            near = gap > firsts[-1] and since_gap + columns <= width * _GAP_SHARE
            firsts.append(gap if near else at)
            column = since_gap if near else 0
        column += columns
        since_gap += columns
        if text[at] == "\n":
            firsts.append(at + 1)
            column = 0
        if text[at] in ", \n" and text[at - 1 : at + 1] != ": ":
            gap, since_gap = at + 1, 0
    return firsts


def _columns(char: str) -> int:
    return 0 if char == "\n" else cell_len(_shown(char))


def _fill(row: Row, text: str, last: int, place: Place | None, *, done: bool) -> None:
    """Write the characters up to ``last`` into ``row``, and mark the place unless that is done."""
    column = 0
    for at in range(row.first, last):
        columns = _columns(text[at])
        row.text += "" if text[at] == "\n" else _shown(text[at])
        if not done and place is not None and place.begin <= at < max(place.end, place.begin + 1):
            row.caret = column if row.caret is None else row.caret
            row.width += max(columns, 1)
        column += columns


def is_binary(body: bytes) -> bool:
    """Whether ``body`` is better shown as bytes: a NUL, or much that is no text, at its start."""
    sample = body[:_SAMPLE_BYTES]
    if b"\0" in sample:
        return True
    text = sample.decode(errors="replace")
    strange = sum(1 for char in text if char == "\ufffd" or (char < " " and char not in "\t\r\n"))
    return strange > len(text) * _BINARY_SHARE


def hexdump(body: bytes, at: int | None = None) -> list[str]:
    """Rows of 16 bytes, around the byte ``at`` (with a caret) or from the beginning."""
    middle = 0 if at is None else max(0, at - _DUMP_BYTES // 2)
    begin = middle - middle % _DUMP_ROW
    rows = []
    for first in range(begin, min(len(body), begin + _DUMP_BYTES), _DUMP_ROW):
        part = body[first : first + _DUMP_ROW]
        text = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in part)  # noqa: PLR2004 - ASCII's printable ones
        rows.append(f"{first:08x}  {part.hex(' '):<47}  {text}")
        if at is not None and first <= at < first + _DUMP_ROW:
            rows.append(" " * (10 + 3 * (at - first)) + "^^")
    return rows
