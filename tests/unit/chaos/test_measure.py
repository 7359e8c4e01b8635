"""The tables of chaos runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.chaos.measure import COMPARED, Measures, as_markdown, as_tables, grids


def measures(**wrong: list[str]) -> Measures:
    made = Measures(7, Path("somewhere"))
    made.counts = Counter(acknowledged=12_345, stored=12_000)
    made.hits = Counter({("kafka", "kill"): 2, ("kafka", "stop"): 1, ("mosquitto", "restart"): 3})
    made.wrong |= wrong
    return made


def test_a_run_is_good_only_where_nothing_is_lost_and_nothing_differs():
    assert measures().ok
    assert not any(measures(**{name: ["something"]}).ok for name in COMPARED)
    lossy = measures()
    lossy.counts["lost"] = 1
    assert not lossy.ok


def test_a_run_says_what_is_wrong_by_its_part():
    assert measures(alerts=["one", "two"], rows=["three"]).sentences() == [
        "rows: three",
        "alerts: one",
        "alerts: two",
    ]


def test_a_message_that_the_broker_took_for_nobody_is_wrong():
    deaf = measures()
    deaf.counts["unheard"] = 3
    assert not deaf.ok
    assert deaf.sentences() == ["unheard: the broker took 3 messages for nobody"]


def test_markdown_has_a_row_for_each_seed_in_two_tables():
    text = as_markdown(grids([measures(windows=["x"])]))
    assert "| 7 | 12,345 | 12,000 | 0 |" in text
    assert "| 0 + 0 + 3 |" in text
    assert "| 2 + 1 + 0 |" in text
    assert text.endswith("|\n")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 6  # head, line and one seed of each table
    assert [table.row_count for table in as_tables(grids([measures()]))] == [1, 1]
