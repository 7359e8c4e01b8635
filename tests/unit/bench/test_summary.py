"""The README's figures are those of docs/performance.md, and say what those say."""

from __future__ import annotations

from pathlib import Path

from tests.bench.page import taken
from tests.bench.report import as_markdown, grids
from tests.bench.summary import PLACE, read_grids, summary
from tests.unit.bench.test_report import FOUND

ROOT = Path(__file__).parents[3]


def page(name: str, place: str) -> str:
    found = taken(ROOT / name, place)
    assert found is not None
    return found


def test_the_readme_shows_the_figures_of_the_page():
    assert page("README.md", PLACE) == summary(read_grids(page("docs/performance.md", "bench")))


def test_tables_are_read_as_they_were_written():
    assert [grid[1:] for grid in read_grids(as_markdown(FOUND))] == [
        grid[1:] for grid in grids(FOUND)
    ]
    assert summary(read_grids(as_markdown(FOUND))) == summary(grids(FOUND))


def test_ratios_are_told_of_both_speeds_and_of_the_same_stage_alone():
    said = summary(grids(FOUND))
    # Qala takes 5 and 8 together, its bridge 3; slow takes 16 and can't keep up, one 12
    assert "Qala costs 0.31 at full speed of what slow costs." in said
    assert "Its bridge costs 0.25 at full speed of what that of one costs." in said
    assert "is 18 µs; it is kept, and single rounds took 3.0 to 5.0." in said
    assert "| at 5,000 a second | 8.0 | can't keep up | can't keep up |" in said
