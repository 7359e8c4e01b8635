"""How `qala dlq show` prints a letter's bytes: with a caret where it went wrong."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from infra.dlq.excerpt import Row, excerpt, hexdump, is_binary
from infra.dlq.letters import Letter
from infra.dlq.place import Place, place_in, text_of
from infra.words import bytes_words

_GUTTER = 7
_MOST_COLUMNS = 120


def body_of(letter: Letter, body: bytes, width: int) -> RenderableType:
    """The bytes that came in, as rows of at most ``width`` columns."""
    if not body:
        return Text("it has no bytes", style="dim")
    place = None
    if letter.whole_size is None:  # of a cut one, the wrong place may be in what was not kept
        place = place_in(body, letter.reason, letter.detail, letter.index)
    lines = _dumped(body, place) if is_binary(body) else _written(body, place, width)
    return Group(Text(f"{bytes_words(len(body))} that came in", style="dim"), *lines)


def _dumped(body: bytes, place: Place | None) -> list[Text]:
    at = None if place is None else len(text_of(body)[: place.begin].encode())
    lines = [Text(row, style="bold red" if "^" in row[:10] else "") for row in hexdump(body, at)]
    return [*lines, _rest(body)]


def _rest(body: bytes) -> Text:
    return Text(f"{bytes_words(len(body))} in all; --json has all", style="dim")


def _written(body: bytes, place: Place | None, width: int) -> list[Text]:
    text = text_of(body)
    shown = excerpt(text, place, min(width, _MOST_COLUMNS) - _GUTTER)
    lines = [_hidden(shown.before, "before")] if shown.before else []
    for row in shown.rows:
        lines.append(_gutter("" if row.line is None else str(row.line)).append(row.text))
        if row.caret is not None and place is not None:
            lines.append(_caret(row, place, min(width, _MOST_COLUMNS) - _GUTTER))
    return [*lines, _hidden(shown.after, "more")] if shown.after else lines


def _gutter(line: str) -> Text:
    return Text().append(f"{line:>4} │ ", style="dim")


def _hidden(characters: int, where: str) -> Text:
    return _gutter("…").append(f"{characters} characters {where}; --json has all", style="dim")


def _caret(row: Row, place: Place, width: int) -> Text:
    """The line under ``row``: carets, and the few words beside them, on that side with room."""
    column = row.caret or 0
    carets = "^" * max(1, row.width)
    note = place.note
    if column + len(carets) + 1 + len(note) <= width:
        made = f"{' ' * column}{carets} {note}"
    elif len(note) + 1 <= column:
        made = f"{' ' * (column - len(note) - 1)}{note} {carets}"
    else:
        made = f"{' ' * column}{carets}"
        return _gutter("").append(made, style="bold red").append(f"\n     │ {note}", style="red")
    return _gutter("").append(made, style="bold red")
