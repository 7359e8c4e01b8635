"""What a page looks at: chosen variables and times, and InfluxDB's answers for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dashboards.influxql import Choice, interpolate, interval_ms
from dashboards.model import SPANS, Liveness, Signal
from dashboards.preview.ask import Asker
from schemas.influxql import Series
from schemas.records import Window

_SECOND_MS: Final = 1000
_AHEAD_S: Final = 5
"""A device's clock is believed up to this far ahead of the bridge's (contract §1)."""
_OLDEST: Final = re.compile(r"time > now\(\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Variables and times of one page; times are ms since 1970.

    ``past`` says that ``end_ms`` is a chosen moment and not the present: rows after it are
    left out, as they were not there yet.
    """

    variables: Mapping[str, Choice]
    end_ms: int
    range_s: int
    past: bool = False

    @property
    def start_ms(self) -> int:
        """Where its range begins."""
        return self.end_ms - self.range_s * _SECOND_MS

    @property
    def window(self) -> Window:
        """The window whose policy fits the range."""
        fitting = (span.window for span in SPANS if span.seconds >= self.range_s)
        return next(fitting, SPANS[-1].window)

    @property
    def step_ms(self) -> int:
        """The time from one value of a history to the next."""
        return interval_ms(self.range_s * _SECOND_MS, self.window)

    def step_of(self, asked: Signal | Liveness) -> int:
        """The time in ms from one value of a history to the next, where it has its own."""
        shortest_s = asked.shortest_s if isinstance(asked, Signal) else 0
        return max(self.step_ms, shortest_s * _SECOND_MS)

    def ask(self, asked: Signal | Liveness) -> str:
        """What InfluxDB is asked for a signal, or for what vouches for it; see `fill`."""
        return self.fill(asked.query, self.step_of(asked))

    def fill(self, query: str, step_ms: int | None = None) -> str:
        """The query with its variables, times and macros filled in.

        The present is InfluxDB's ``now()``, so a wrong clock of this machine can't make
        anything look fresh.

        Raises:
            QueryError: it uses a variable that this view lacks.
        """
        if self.past:
            query = _OLDEST.sub(f"time <= now() + {_AHEAD_S}s AND time > now()", query)
        return interpolate(
            query,
            {**self.variables, "window": self.window},
            start_ms=self.start_ms,
            end_ms=self.end_ms,
            interval_ms=step_ms or self.step_ms,
            now_ms=self.end_ms if self.past else None,
        )


@dataclass(slots=True)
class Answers:
    """A view with the answers to its queries."""

    view: View
    found: dict[str, list[Series]] = field(default_factory=dict)

    def to(self, asked: Signal | Liveness) -> list[Series]:
        """The series that answer a query of this view; empty where there are no data."""
        return self.found[self.view.ask(asked)]


async def answer(asker: Asker, view: View, asked: Sequence[Signal | Liveness]) -> Answers:
    """Ask all of a page's queries.

    Raises:
        AskError: InfluxDB can't be reached, or refuses one.
    """
    return Answers(view, await asker.ask_all(view.ask(one) for one in asked))
