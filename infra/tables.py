"""The house's table: it keeps to its width without ever cutting a number or an id.

Where the width doesn't suffice, text is cut with ``…``, then the least important columns go, each
as a whole, and a line below names them. What must stand is folded rather than lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

Cell = str | Text
_GAP: Final = 2
_LEAST_CUT: Final = 12
_LEAST_WRAPPED: Final = 20
_WIDE_WRAPPED: Final = 60
HINT: Final = "a wider terminal or --json shows them"


class HouseTable:
    """Rows of cells, laid out when the width is known."""

    def __init__(
        self,
        columns: Sequence[str],
        *,
        right: Iterable[str] = (),
        cut: Iterable[str] = (),
        drop: Iterable[str] = (),
        wraps: str | None = None,
        show_header: bool = True,
        hint: str = HINT,
    ) -> None:
        """``right`` hold numbers; ``cut`` and ``wraps`` text that may be shortened or folded.

        ``drop`` are the columns that are left out where they are empty or have no room, the
        least important first; ``hint`` says where they are to be seen.
        """
        self.columns = tuple(columns)
        self._right = frozenset(right)
        self._cut = frozenset(cut)
        self._drop = tuple(drop)
        self._wraps = wraps
        self._show_header = show_header
        self._hint = hint
        self._rows: list[tuple[Text, ...]] = []

    def add_row(self, *cells: Cell) -> None:
        """Add one row: a cell for each column."""
        made = tuple(Text(cell) if isinstance(cell, str) else cell for cell in cells)
        if len(made) != len(self.columns):
            raise ValueError(f"{len(made)} cells for {len(self.columns)} columns")
        self._rows.append(made)

    @property
    def row_count(self) -> int:
        """How many rows were added."""
        return len(self._rows)

    @property
    def whole_width(self) -> int:
        """The columns that it takes where nothing is cut or left out."""
        widths = self._widths()
        if self._wraps is not None:
            widths[self._wraps] = min(widths[self._wraps], _WIDE_WRAPPED)
        return _total(widths.values())

    def shown(self, width: int) -> frozenset[str]:
        """The names of the columns that have room in ``width``, and are not left out as empty."""
        return frozenset(self._fitted(width)[0])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table in the width there is, and below it what was left out."""
        del console
        widths, hidden = self._fitted(options.max_width)
        made = Table(
            box=None,
            header_style="dim",
            padding=(0, _GAP, 0, 0),
            pad_edge=False,
            show_header=self._show_header,
        )
        for name, width in widths.items():
            shortened = name in self._cut
            made.add_column(
                name,
                justify="right" if name in self._right else "left",
                width=width,
                no_wrap=shortened,
                overflow="ellipsis" if shortened else "fold",
            )
        places = [self.columns.index(name) for name in widths]
        for row in self._rows:
            made.add_row(*(row[place] for place in places))
        yield made
        if hidden:
            yield Text(
                f"\nnot shown for want of width: {', '.join(hidden)}; {self._hint}", style="dim"
            )

    def _fitted(self, width: int) -> tuple[dict[str, int], list[str]]:
        """The widths of the columns that are shown, and the names of those that are not."""
        widths = self._widths()
        hidden = set()
        for name in self._drop:  # an empty one only takes room from others
            if not any(row[self.columns.index(name)].plain for row in self._rows):
                del widths[name]
        for name in self._drop:
            if name not in widths:
                continue
            if _total(self._least(name, size) for name, size in widths.items()) <= width:
                break
            del widths[name]
            hidden.add(name)
        return self._stretched(widths, width), [name for name in self.columns if name in hidden]

    def _widths(self) -> dict[str, int]:
        """What each column takes where nothing is shortened."""
        return {
            name: max(
                [cell_len(name) if self._show_header else 0]
                + [cell_len(line) for row in self._rows for line in row[place].plain.split("\n")]
            )
            for place, name in enumerate(self.columns)
        }

    def _least(self, name: str, size: int) -> int:
        if name in self._cut:
            return min(size, max(_LEAST_CUT, cell_len(name)))
        if name == self._wraps:
            return min(size, max(_LEAST_WRAPPED, cell_len(name)))
        return size

    def _stretched(self, widths: dict[str, int], width: int) -> dict[str, int]:
        """The least widths, and what is left of ``width`` shared among those that want more."""
        given = {name: self._least(name, size) for name, size in widths.items()}
        left = width - _total(given.values())
        while left > 0:
            wanting = [name for name, size in widths.items() if given[name] < size]
            if not wanting:
                break
            # a column each in turn, so that none starves
            for name in wanting[:left]:
                given[name] += 1
            left -= min(left, len(wanting))
        return given


def _total(widths: Iterable[int]) -> int:
    sizes = list(widths)
    return sum(sizes) + _GAP * max(0, len(sizes) - 1)
