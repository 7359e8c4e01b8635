"""What the preview makes of current values: tiles, rows of tables, and what they don't show."""

from __future__ import annotations

from dataclasses import replace

from dashboards.draw import Known, Missing, Said
from dashboards.model import Shown, Word
from dashboards.preview.current import current_values, stat_cells, table_rows
from tests.support.preview_boards import (
    CITY,
    FULL,
    GATE,
    NEWEST,
    OZONE,
    PEOPLE,
    SEEN,
    STAT,
    STOP,
    TABLE,
    answers,
    rows,
)


def test_tiles_have_a_name_for_each_series_and_say_what_values_mean() -> None:
    cells = stat_cells(STAT, answers(FULL))
    assert cells == [
        ("gate-1 · cam-1", Known(Said("20", "µg/m³"), "good"), "5 s ago"),
        ("stop-1 · ion-1", Known(Said("140", "µg/m³"), "critical"), "5 s ago"),
    ]


def test_each_series_of_a_tile_has_its_own_age_where_ages_have_its_tags() -> None:
    each = replace(STAT, values=(Shown(signal=OZONE, age=SEEN),))
    aged = [(cell.name, cell.aged) for cell in stat_cells(each, answers(FULL))]
    assert aged == [("gate-1 · cam-1", "1 min 30 s ago"), ("stop-1 · ion-1", "5 s ago")]
    (unknown,) = stat_cells(each, answers(FULL, live=0))
    assert (unknown.cell, unknown.aged) == (Missing("unknown"), "5 s ago")


def test_a_value_without_a_row_behind_it_says_how_far_back_none_was_found() -> None:
    zero = {"ozone": [rows(STOP, (0, 0.0))]}
    for age, words in (
        (NEWEST, "never"),
        (replace(NEWEST, bound_s=365 * 86_400), "none in a year"),
    ):
        (cell,) = stat_cells(replace(STAT, age=age), answers(zero))
        assert (cell.cell, cell.aged) == (Known(Said("0", "µg/m³"), "good"), words)


def test_tiles_that_are_not_live_are_unknown_and_still_say_their_age() -> None:
    masked = answers(FULL, live=0.5)
    assert stat_cells(STAT, masked) == [("Ozone", Missing("unknown"), "5 s ago")]


def test_kinds_that_a_device_does_not_send_are_left_out_beside_those_it_sends() -> None:
    both = replace(STAT, values=(Shown(signal=OZONE), Shown(signal=PEOPLE)))
    sent = {"ozone": [rows(STOP, (0, 140.0))]}
    assert [cell.name for cell in stat_cells(both, answers(sent))] == ["Ozone"]
    nothing = [
        ("Ozone", Missing("no data"), "never"),
        ("People", Missing("no data"), "never"),
    ]
    assert stat_cells(both, answers({})) == nothing


def test_no_row_is_zero_where_a_signal_says_so_and_both_are_live() -> None:
    zeroed = replace(OZONE, zero_by=PEOPLE)
    panel = replace(STAT, values=(Shown(signal=zeroed),))
    sent = {"people": [rows(STOP, (0, 0)), rows(GATE, (0, 0))]}
    digits = {
        cell.name: cell.cell.said.digits
        for cell in stat_cells(panel, answers(sent | {"ozone": [rows(STOP, (0, 140.0))]}))
        if isinstance(cell.cell, Known)
    }
    assert digits == {"gate-1 · cam-1": "0", "stop-1 · ion-1": "140"}
    assert [cell.cell for cell in stat_cells(panel, answers({}))] == [Missing("no data")]
    masked = stat_cells(panel, answers(sent, live=0.9))
    assert [cell.cell for cell in masked] == [Missing("unknown")]


def test_rows_of_a_table_have_their_own_values_dashes_and_ages() -> None:
    gate, stop = table_rows(TABLE, answers(FULL))
    assert (gate.tags, stop.tags) == (GATE, STOP)
    assert gate.cells == (Known(Said("20", "")), Missing("no data"))
    assert stop.cells == (Known(Said("140", "")), Known(Said("3", "")))
    assert gate.seen == Known(Said("1 min 30 s ago", ""))


def test_a_table_that_is_not_live_keeps_its_rows_and_shows_no_value() -> None:
    for row in table_rows(TABLE, answers(FULL, live=0)):
        assert set(row.cells) == {Missing("unknown")}


def test_rows_stand_by_the_column_that_the_table_sorts_by_the_highest_first() -> None:
    ordered = table_rows(replace(TABLE, sort="ozone"), answers(FULL))
    assert [row.tags["site"] for row in ordered] == ["stop-1", "gate-1"]


def test_every_current_value_of_a_board_is_listed_with_what_it_depends_on() -> None:
    values = list(current_values(CITY, answers(FULL)))
    assert {value.stage for value in values} == {"streams"}
    assert len(values) == 2 + 4
    masked = current_values(CITY, answers(FULL, live=0.9))
    assert {value.cell for value in masked} == {Missing("unknown")}


def test_words_stand_for_numbers_and_ranges_of_them() -> None:
    words = (Word(0, "no", "good"), Word(100, "too much", "bad", to=200))
    cells = stat_cells(
        replace(STAT, values=(Shown(signal=OZONE, words=words),)),
        answers({"ozone": [rows(STOP, (0, 150.0))]}),
    )
    assert cells == [("Ozone", Known(Said("too much", ""), "bad"), "never")]
