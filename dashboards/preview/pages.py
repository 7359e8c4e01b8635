"""Which pages there are, and how one leads to another: the city, each site, each device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from dashboards.influxql import ALL, Choice
from dashboards.model import Board


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One file: a board, with a value for each variable of which it shows one at a time."""

    board: Board
    chosen: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its file's name: ``qala-device.stop-1.ion-1.html``."""
        return ".".join([self.board.uid, *map(_safe, self.chosen.values()), "html"])

    @property
    def title(self) -> str:
        """What was chosen, or else the board's title."""
        return " · ".join(self.chosen.values()) or self.board.title

    @property
    def variables(self) -> dict[str, Choice]:
        """A value for each of the board's variables; where none is chosen, all."""
        return {known.name: self.chosen.get(known.name, ALL) for known in self.board.variables}


class Map:
    """The pages that are drawn, to be found by what a link asks for; and those left out."""

    def __init__(self, pages: Sequence[Page], left_out: Sequence[Page] = ()) -> None:
        self.pages = tuple(pages)
        self.left_out = tuple(left_out)
        self._found = {(page.board.uid, tuple(page.chosen.items())): page for page in pages}
        self._needed = {page.board.uid: tuple(page.chosen) for page in pages}

    def href(self, board: str, variables: Mapping[str, str]) -> str | None:
        """The address of a board with these variables; None where no such page is drawn.

        A board that shows everything at once is found whatever a link chooses in it.
        """
        needed = self._needed.get(board)
        if needed is None:
            return None
        chosen = tuple((name, variables.get(name, "")) for name in needed)
        page = self._found.get((board, chosen))
        return None if page is None else quote(page.name)

    @property
    def devices(self) -> int:
        """How many devices there are, with a page or without."""
        return sum("device" in page.chosen for page in (*self.pages, *self.left_out))

    def left_out_of(self, site: str) -> int:
        """How many devices of a site have no page."""
        return sum(page.chosen.get("site") == site for page in self.left_out)

    def about(self, chosen: Mapping[str, str]) -> str | None:
        """The address of the first page of just what is chosen, such as a site."""
        return next((quote(page.name) for page in self.pages if page.chosen == chosen), None)


def _safe(value: str) -> str:
    """A value as part of a file's name; one of the contract's form stays as it is."""
    return quote(value, safe="").replace(".", "%2E")


def in_turns(pages: Sequence[Page]) -> list[Page]:
    """The first page of each site, then the second of each, and so on."""
    turns: Counter[str] = Counter()
    ranked: list[tuple[int, Page]] = []
    for page in pages:
        site = page.chosen.get("site", "")
        ranked.append((turns[site], page))
        turns[site] += 1
    return [page for _, page in sorted(ranked, key=lambda one: one[0])]


def single(board: Board) -> tuple[str, ...]:
    """The variables of which a board shows one value at a time."""
    return tuple(known.name for known in board.variables if not known.many)
