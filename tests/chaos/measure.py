"""What a run came to: numbers, and whatever is otherwise than it must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.table import Table

from tests.chaos.play import Hits
from tests.chaos.schedule import PROCESSES, Kind

KINDS: Final[tuple[Kind, ...]] = ("kill", "stop", "restart")
COUNTED: Final = ("acknowledged", "stored", "lost", "duplicates", "rejected", "letters", "unheard")
COMPARED: Final = ("rows", "windows", "throughput", "states", "alerts", "chat", "stuck")

Grid = tuple[str, tuple[str, ...], list[tuple[str, ...]]]
"""A title, the names of the columns, and the rows."""


@dataclass
class Measures:
    """One run.

    ``counts`` are by the names in `COUNTED`: readings that the broker acknowledged (duplicates
    among them), distinct ones that are stored, lost ones, duplicates, malformed messages, dead
    letters, and how often the broker said that it took a message for nobody. ``wrong`` holds
    sentences by the names in `COMPARED`. ``ended`` are stages that ended by themselves and were
    started again.
    """

    seed: int
    data: Path
    counts: Counter[str] = field(default_factory=Counter)
    hits: Hits = field(default_factory=Counter)
    wrong: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in COMPARED})
    ended: list[str] = field(default_factory=list)
    messages: int = 0
    repeats: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing is lost and nothing differs."""
        return not self.counts["lost"] and not self.sentences()

    def sentences(self) -> list[str]:
        """Everything that is wrong, but for what is lost: of that ``rows`` has the names."""
        told = [f"{part}: {one}" for part, found in self.wrong.items() for one in found]
        unheard = self.counts["unheard"]
        if unheard:  # with one bridge there is none, and nobody sends them again
            told.append(f"unheard: the broker took {unheard} messages for nobody")
        return told


def grids(runs: Sequence[Measures]) -> list[Grid]:
    """What was measured, what differs, and what each process had to bear."""
    return [
        (
            "Readings, and differences after all has drained",
            ("seed", *COUNTED, *(f"≠ {name}" for name in COMPARED)),
            [
                (
                    str(run.seed),
                    *(f"{run.counts[name]:,}" for name in COUNTED),
                    *(f"{len(run.wrong[name]):,}" for name in COMPARED),
                )
                for run in runs
            ],
        ),
        (
            "Kills + stops + restarts of each process; stages that ended by themselves; chat",
            ("seed", *PROCESSES, "ended", "told", "repeats", "seconds"),
            [
                (
                    str(run.seed),
                    *(
                        " + ".join(str(run.hits[process, kind]) for kind in KINDS)
                        for process in PROCESSES
                    ),
                    str(len(run.ended)),
                    f"{run.messages:,}",
                    f"{run.repeats:,}",
                    f"{run.seconds:.0f}",
                )
                for run in runs
            ],
        ),
    ]


def as_tables(made: Sequence[Grid]) -> list[Table]:
    """For a terminal."""
    tables = []
    for title, columns, rows in made:
        table = Table(title=title)
        for name in columns:
            table.add_column(name, justify="right")
        for row in rows:
            table.add_row(*row)
        tables.append(table)
    return tables


def as_markdown(made: Sequence[Grid]) -> str:
    """For a page of the docs."""
    text = []
    for title, columns, rows in made:
        lines = [columns, tuple("---:" for _ in columns), *rows]
        text += [f"{title}:", "", *(f"| {' | '.join(row)} |" for row in lines), ""]
    return "\n".join(text[:-1]) + "\n"
