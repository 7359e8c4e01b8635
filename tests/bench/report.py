"""What is printed: tables for people, Markdown for docs, JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from rich.table import Table

from tests.bench.meter import Cost
from tests.bench.rounds import Figures, Median
from tests.bench.systems import STAGES

OURS: Final = "Qala"
_NONE: Final = "–"
_COSTS: Final = ("system", "stage", "full speed", "paced", "paced / full", "times Qala", "memory")
_DELAYS: Final = ("system", "half within", "99 of 100 within", "readings asked for")

Row = tuple[str, ...]
Grid = tuple[str, Row, list[Row]]
"""A title, the names of the columns, and the rows."""


def grids(found: Mapping[str, Figures]) -> list[Grid]:
    """All tables: what a reading costs, how long it takes, and what goes wrong."""
    made = [
        ("CPU µs per reading: median of runs (lowest to highest); memory in MiB", _COSTS,
         cost_rows(found)),
        ("Seconds from publishing to a row that a query returns", _DELAYS, delay_rows(found)),
        ("What goes wrong: readings of readings", ("what", *found), mistake_rows(found)),
    ]  # fmt: skip
    return [grid for grid in made if grid[2]]


def cost_rows(found: Mapping[str, Figures]) -> list[Row]:
    """A row for each stage of each system, and one for its stages together."""
    ours = _together(found[OURS].full) if OURS in found else None
    made: list[Row] = []
    for name, figures in found.items():
        stages = [stage for stage in STAGES if figures.full[stage] or figures.paced[stage]]
        for stage in stages:
            full, paced = Median.of(figures.full[stage]), Median.of(figures.paced[stage])
            made.append(
                (name if stage == stages[0] else "", stage, _shown(full), _shown(paced),
                 _ratio(paced, full), "", f"{figures.memory_mib(stage):.0f}")
            )  # fmt: skip
        if len(stages) > 1:
            full, paced = _together(figures.full), _together(figures.paced)
            memory = sum(figures.memory_mib(stage) for stage in stages)
            made.append(
                ("", "together", _shown(full), _shown(paced), _ratio(paced, full),
                 _ratio(full, ours), f"{memory:.0f}")
            )  # fmt: skip
        elif stages:
            # a system of one stage is compared with as much of ours as it does the work of
            other = _counterpart(found, stages[0])
            made[-1] = (*made[-1][:5], _ratio(Median.of(figures.full[stages[0]]), other),
                        made[-1][6])  # fmt: skip
    return made


def _counterpart(found: Mapping[str, Figures], stage: str) -> Median | None:
    if OURS not in found:
        return None
    same = Median.of(found[OURS].full[stage])
    return same or _together(found[OURS].full)


def _together(costs: Mapping[str, Sequence[Cost | None]]) -> Median | None:
    """Of all stages' sums, round by round."""
    return Median.together([of_stage for of_stage in costs.values() if of_stage])


def _shown(one: Median | None) -> str:
    return f"{one.middle:.1f} ({one.low:.1f} to {one.high:.1f})" if one else _NONE


def _ratio(one: Median | None, other: Median | None) -> str:
    return f"{one.middle / other.middle:.1f}" if one and other else ""


def delay_rows(found: Mapping[str, Figures]) -> list[Row]:
    """A row for each system that writes raw rows."""
    return [
        (name, _seconds(figures.delays_s, 0.5), _seconds(figures.delays_s, 0.99),
         str(len(figures.delays_s)))
        for name, figures in found.items()
        if figures.delays_s
    ]  # fmt: skip


def _seconds(delays_s: Sequence[float], share: float) -> str:
    """The smallest delay that ``share`` of them don't exceed."""
    delay_s = sorted(delays_s)[max(0, math.ceil(len(delays_s) * share) - 1)]
    return "never" if math.isinf(delay_s) else f"{delay_s:.2f}"


def mistake_rows(found: Mapping[str, Figures]) -> list[Row]:
    """A row for each thing that can go wrong."""
    names = dict.fromkeys(name for one in found.values() for name in one.mistakes.found)
    return [(name, *(_share(one, name) for one in found.values())) for name in names]


def _share(figures: Figures, name: str) -> str:
    share = figures.mistakes.found.get(name)
    return f"{share.wrong} of {share.of}" if share else _NONE


def as_tables(found: Mapping[str, Figures]) -> list[Table]:
    """For a terminal."""
    made = []
    for title, columns, rows in grids(found):
        table = Table(title=f"{title} (simulated data)", title_justify="left")
        for place, name in enumerate(columns):
            words = place == 0 or name == "stage"
            table.add_column(name, justify="left" if words else "right", no_wrap=place == 0)
        for row, after in zip(rows, [*rows[1:], ("",)], strict=True):
            table.add_row(*row, end_section=bool(after[0]) and columns is _COSTS)
        made.append(table)
    return made


def as_markdown(found: Mapping[str, Figures]) -> str:
    """For docs/performance.md."""
    parts = []
    for title, columns, rows in grids(found):
        rule = tuple("---" if place == 0 else "---:" for place, _ in enumerate(columns))
        lines = [f"| {' | '.join(line)} |" for line in (columns, rule, *rows)]
        parts.append("\n".join((f"{title} (simulated data):", "", *lines)))
    return "\n\n".join(parts) + "\n"


def as_json(found: Mapping[str, Figures]) -> bytes:
    """Every single measurement."""
    return msgspec.json.format(msgspec.json.encode(dict(found)))
