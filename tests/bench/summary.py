"""What the README shows of the bench: a few rows of the page's tables, and what they say.

It is made of the tables as they stand on docs/performance.md, not of the measurements, so that
neither page can say what the other doesn't.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.bench.report import OURS, Grid, Row

PLACE: Final = "bench-summary"
AIM_US: Final = 18.0
"""What Qala's three stages shall cost together at full speed, in µs a reading."""
_TOGETHER: Final = "together"
_NONE: Final = "–"
_SPEEDS: Final = {"full speed": "at full speed", "paced": "at 5,000 a second"}
_MISTAKES: Final = {
    "sent twice: counted twice": "repeated readings counted twice",
    "sent late: in no window": "late readings in no window",
    "malformed: kept nowhere": "malformed messages kept nowhere",
}

Costs = dict[str, dict[str, Row]]
"""Rows of the costs by system and stage."""


def read_grids(text: str) -> list[Grid]:
    """The tables of a page, as `report.as_markdown` writes them."""
    made: list[Grid] = []
    title = ""
    lines: list[Row] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            lines.append(tuple(cell.strip() for cell in line[1:-1].split("|")))
            continue
        if lines:
            made.append((title, lines[0], lines[2:]))
            lines = []
        title = line or title
    return made


def summary(grids: Sequence[Grid]) -> str:
    """The table and its sentences, in Markdown.

    Raises:
        KeyError: the tables have no costs of Qala.
    """
    costs = _costs(grids)
    heads = ["", *(_head(name, stages) for name, stages in costs.items())]
    rows = [
        [words, *(_cost(stages, column) for stages in costs.values())]
        for column, words in _SPEEDS.items()
    ]
    rows += _mistakes(grids, list(costs))
    table = [heads, ["---"] * len(heads), *rows]
    lines = [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in table]
    return "\n".join([*lines, "", _said(costs)]) + "\n"


def _costs(grids: Sequence[Grid]) -> Costs:
    made: Costs = {}
    name = ""
    for _, columns, rows in grids:
        if columns[:2] != ("system", "stage"):
            continue
        for row in rows:
            name = row[0] or name
            made.setdefault(name, {})[row[1]] = row
    return made


def _whole(stages: dict[str, Row]) -> Row:
    return stages.get(_TOGETHER) or next(iter(stages.values()))


def _head(name: str, stages: dict[str, Row]) -> str:
    return name if _TOGETHER in stages else f"{name}, {next(iter(stages))} only"


def _cell(row: Row, column: str) -> str:
    return row[2 + list(_SPEEDS).index(column)]


def _cost(stages: dict[str, Row], column: str) -> str:
    shown = _us(_cell(_whole(stages), column))
    return "can't keep up" if shown is None else f"{shown:.1f}" if shown < 100 else f"{shown:.0f}"


def _us(cell: str) -> float | None:
    return None if cell == _NONE else float(cell.partition(" ")[0])


def _mistakes(grids: Sequence[Grid], systems: list[str]) -> list[list[str]]:
    made = []
    for _, columns, rows in grids:
        if columns[0] != "what":
            continue
        by_name = {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
        made += [
            [words, *(by_name[name].get(system, "").replace(_NONE, "") for system in systems)]
            for name, words in _MISTAKES.items()
            if name in by_name
        ]
    return made


def _said(costs: Costs) -> str:
    """Ratios at both speeds to each whole system, to the same stage of a part, and the aim."""
    ours = _whole(costs[OURS])
    wholes, parts = [], []
    for name, stages in costs.items():
        if name == OURS:
            continue
        whole = _TOGETHER in stages
        stage = next(iter(stages))
        mine = ours if whole else costs[OURS].get(stage, ours)
        shares = " and ".join(
            f"{ratio:.2f} {words}"
            for column, words in _SPEEDS.items()
            if (ratio := _ratio(mine, _whole(stages), column)) is not None
        )
        if shares and whole:
            wholes.append(f"{shares} of what {_spoken(name)} costs")
        elif shares:
            parts.append(f"Its {stage} costs {shares} of what that of {name} costs.")
    said = [f"Qala costs {', '.join(wholes)}.", *parts] if wholes else parts
    middle = _us(_cell(ours, "full speed"))
    if middle is not None:
        rounds = _cell(ours, "full speed").partition("(")[2].rstrip(")")
        kept = "kept" if middle <= AIM_US else f"missed by {middle - AIM_US:.1f}"
        said.append(
            f"The aim for Qala's three stages at full speed is {AIM_US:.0f} µs; it is {kept}"
            + (f", and single rounds took {rounds}." if rounds else ".")
        )
    return " ".join(said)


def _spoken(name: str) -> str:
    return "the pipeline by hand" if name == "by hand" else name


def _ratio(ours: Row, theirs: Row, column: str) -> float | None:
    one, other = _us(_cell(ours, column)), _us(_cell(theirs, column))
    return one / other if one is not None and other is not None else None
