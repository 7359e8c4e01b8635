"""Panels: how signals are shown, as values, tables, lines, bands, events or words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dashboards.model.signals import Signal

Colour = Literal["good", "notice", "bad", "critical", "neutral", "unknown"]
"""What a value means, never how it looks: each renderer has its own colours."""


@dataclass(frozen=True, slots=True)
class Step:
    """From ``value`` up (None: from minus infinity) a number means ``colour``."""

    value: float | None
    colour: Colour


@dataclass(frozen=True, slots=True)
class Word:
    """A number that is shown as a word: ``value``, or all from it up to ``to``.

    Of several that fit, the first counts.
    """

    value: float
    text: str
    colour: Colour
    to: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A signal as one panel shows it: name, steps of meaning, words for numbers, decimals.

    ``age`` says when the newest row behind a large value was, where it isn't its panel's.
    ``beside`` is for a line that belongs to that signal's: it is drawn thinner, with its colour.
    """

    signal: Signal
    title: str = ""
    steps: tuple[Step, ...] = ()
    words: tuple[Word, ...] = ()
    decimals: int | None = None
    colour: Colour | None = None
    age: Signal | None = None
    beside: Signal | None = None

    @property
    def name(self) -> str:
        """Its heading: the panel's own, else the signal's."""
        return self.title or self.signal.title


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """To another board; ``variables`` gives each variable its value.

    In a table's row a value is ``{column}`` of that row (``{site}``); elsewhere it is the
    name of one of this board's variables in the same form.
    """

    title: str
    board: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """Large current values, all masked; ``age`` says when the newest row behind each was.

    A value's own ``age`` counts before the panel's. One that has the value's tags gives each
    series its own; one without tags is that of all. Of several values, those that have no data
    are left out, unless none has.
    """

    title: str
    description: str
    values: tuple[Shown, ...]
    age: Signal
    width: int = 4
    height: int = 5

    def age_of(self, shown: Shown) -> Signal:
        """The ``age`` signal of one of the values."""
        return shown.age or self.age


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A row for each series of ``rows`` (an ``age`` signal), with masked current values.

    A value belongs to the row whose tags its own tags equal. ``sort`` is the name of the
    column's signal by which rows stand, the highest first; empty: by their tags.
    """

    title: str
    description: str
    rows: Signal
    age_title: str
    columns: tuple[Shown, ...]
    sort: str = ""
    links: tuple[Link, ...] = ()
    width: int = 24
    height: int = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSeries:
    """Values over time; ``limits`` are drawn as lines. Each unit has an axis of its own.

    Where it has none, a line's own ``steps`` are, on the axis of its unit.

    Points with empty intervals between them are joined where at most ``joins_s`` apart.
    """

    title: str
    description: str
    lines: tuple[Shown, ...]
    limits: tuple[Step, ...] = ()
    style: Literal["lines", "bars"] = "lines"
    stacked: bool = False
    lowest: float | None = None
    highest: float | None = None
    joins_s: int = 180
    width: int = 12
    height: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTimeline:
    """Words over time, a band for each series.

    A state holds until the next row, but at most ``holds_s``: then nothing is known.
    """

    title: str
    description: str
    states: Shown
    holds_s: int = 3900
    width: int = 24
    height: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class EventColumn:
    """One column of an event table: a column of the signal's answer, and how it reads."""

    column: str
    title: str
    words: Mapping[str, Colour] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """What happened, newest first: ``time`` and then ``columns``."""

    title: str
    description: str
    signal: Signal
    columns: tuple[EventColumn, ...]
    links: tuple[Link, ...] = ()
    width: int = 24
    height: int = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Words in Markdown: paragraphs, bold, lists, no HTML."""

    title: str
    description: str
    markdown: str
    width: int = 24
    height: int = 3


Panel = Stat | Table | TimeSeries | StateTimeline | Events | Text
