"""What holds for every board, whatever it shows."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import replace
from itertools import combinations

import pytest

from dashboards import build_all, catalogue, read_limits, shipped_rules
from dashboards.boards import signals_of, uses
from dashboards.limits import Limit, Limits
from dashboards.lint.queries import leaves
from dashboards.model import GRID_COLUMNS, SPANS, Board, Signal, Stat, Table, TimeSeries, placed
from dashboards.signals.liveness import SINK, STREAMS
from schemas.measurements import POLICIES, POLICY_OF_WINDOW
from schemas.readings import READING_STRUCTS

BOARDS = build_all(read_limits(shipped_rules()))
SIGNALS = {entry.signal.name: entry.signal for entry in catalogue(BOARDS)}
each_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)


def test_there_is_a_board_for_each_thing_that_people_look_for():
    assert [board.uid.removeprefix("qala-") for board in BOARDS] == [
        *("city", "entrances", "streets", "thermometers", "ionizers", "speakers", "desks"),
        *("site", "device", "alerts", "pipeline", "quality"),
    ]


def test_each_type_of_reading_is_on_a_board():
    assert {signal.measurement for signal in SIGNALS.values()} >= set(READING_STRUCTS)


def test_name_means_one_query_everywhere():
    queries = defaultdict(set)
    for entry in catalogue(BOARDS):
        queries[entry.signal.name].add(entry.signal.query)
    assert [name for name, asked in queries.items() if len(asked) > 1] == []


def test_each_current_value_is_vouched_for_and_bounded():
    current = [signal for signal in SIGNALS.values() if signal.kind == "now"]
    assert current
    for signal in current:
        assert signal.liveness in (STREAMS, SINK), signal.name
        assert signal.bound_s, signal.name
        assert "now()" in signal.query
        assert "$timeFilter" not in signal.query
        # InfluxQL alone has no end: a row of a clock that ran ahead would be current for long
        assert signal.query.count("time > now()") == signal.query.count("time <= now()")


def test_raw_readings_depend_on_the_sink_and_results_on_the_worker():
    for signal in SIGNALS.values():
        if signal.kind == "now" and signal.measurement != "pipeline":
            read = {leaf.measurement for leaf in leaves(signal.query) if leaf.policy == "raw"}
            from_devices = bool(read & set(READING_STRUCTS))
            assert signal.liveness is (SINK if from_devices else STREAMS), signal.name


def test_histories_leave_gaps():
    for signal in SIGNALS.values():
        if signal.kind == "history":
            assert signal.query.endswith(("fill(null)", "fill(none)")), signal.name


@each_board
def test_panels_fit_the_grid_and_do_not_overlap(board: Board):
    places = list(placed(board))
    assert all(place.x + place.width <= GRID_COLUMNS for place in places)
    for one, other in combinations(places, 2):
        side_by_side = one.x + one.width <= other.x or other.x + other.width <= one.x
        above = one.y + one.height <= other.y or other.y + other.height <= one.y
        assert side_by_side or above


@each_board
def test_each_value_has_an_age_beside_it(board: Board):
    for panel in board.panels:
        if isinstance(panel, Stat):
            assert all(shown.signal.kind == "now" for shown in panel.values)
            for shown in panel.values:
                age = panel.age_of(shown)
                assert age.kind == "age"
                # one age for all, or one for each: never one for some of them
                assert age.by in ((), shown.signal.by), shown.signal.name
                assert age.by == shown.signal.by or not shown.signal.by, shown.signal.name
        if isinstance(panel, Table):
            assert panel.rows.kind == "age"
            assert all(shown.signal.kind == "now" for shown in panel.columns)


CONDITIONS = re.compile(r"\"(?:kind|stage|severity)\" = '[^']+'")
FIELDS = re.compile(r'"(\w+?)(?:_sum|_min|_max|_count|_p50_s|_p99_s)?"')
ROWS_WITH_ALL = ("device_state", "ticket", "alert")
"""Each row of these has each field that a tile shows: any of them tells the age of all."""


def source(signal: Signal) -> tuple[set[str], set[str]]:
    """The measurements that a signal reads, whatever their windows, and of which kind."""
    measurements = {re.sub(r"_10s$", "", leaf.measurement) for leaf in leaves(signal.query)}
    return measurements, set(CONDITIONS.findall(signal.query))


def fields(signal: Signal) -> set[str]:
    """The fields that a signal reads, whatever it makes of them in their windows."""
    selected = re.findall(r'\w+\(("\w+")[,)]', signal.query)
    return {FIELDS.sub(r"\1", name) for name in selected}


@each_board
def test_age_is_of_the_rows_that_its_value_reads(board: Board):
    tiles = [panel for panel in board.panels if isinstance(panel, Stat)]
    for shown, age in [(shown, tile.age_of(shown)) for tile in tiles for shown in tile.values]:
        assert source(shown.signal) == source(age), shown.signal.name
        if not source(age)[0] & set(ROWS_WITH_ALL):
            assert fields(shown.signal) & fields(age), shown.signal.name


@each_board
def test_values_of_a_table_belong_to_its_rows(board: Board):
    for panel in board.panels:
        if isinstance(panel, Table):
            for shown in panel.columns:
                assert set(shown.signal.by) <= set(panel.rows.by), shown.name


@each_board
def test_range_is_never_longer_than_its_windows_are_kept(board: Board):
    for span in board.spans:
        keep_s = POLICIES[POLICY_OF_WINDOW[span.window]].keep_s
        assert keep_s is None or span.seconds <= keep_s


def test_a_range_that_is_carried_to_a_board_is_kept_in_the_windows_that_it_opens_with():
    carried = [span for board in BOARDS if not uses(board, "window") for span in board.spans]
    for board in BOARDS:
        keep_s = POLICIES[POLICY_OF_WINDOW[board.span.window]].keep_s
        assert keep_s is None or max(span.seconds for span in carried) <= keep_s


@each_board
def test_links_of_rows_lead_to_boards_and_read_tags_of_the_row(board: Board):
    uids = {known.uid: known for known in BOARDS}
    for panel in board.panels:
        if isinstance(panel, Table):
            for link in panel.links:
                names = {variable.name for variable in uids[link.board].variables}
                assert set(link.variables) <= names
                assert {value.strip("{}") for value in link.variables.values()} <= set(
                    panel.rows.by
                )


def test_boards_do_without_limits_where_no_rule_sets_them():
    bare = build_all(Limits({}))
    assert [board.uid for board in bare] == [board.uid for board in BOARDS]
    lines = [panel for board in bare for panel in board.panels if isinstance(panel, TimeSeries)]
    assert all(panel.limits == () for panel in lines)


@each_board
def test_intervals_of_a_history_are_whole_hours_or_those_of_its_windows(board: Board):
    for panel in board.panels:
        if isinstance(panel, TimeSeries):
            assert all(shown.signal.shortest_s % 3600 == 0 for shown in panel.lines)
            # Grafana has one shortest interval for all lines of a panel
            assert len({shown.signal.shortest_s for shown in panel.lines}) == 1


@each_board
def test_titles_are_whole_in_narrow_panels(board: Board):
    for panel in board.panels:
        # on a page of 1360 px, with its padding and its sign for what it shows
        assert len(panel.title) <= 8 * panel.width - 8, panel.title


def test_states_of_a_kinds_board_are_those_of_its_kind_alone():
    board = next(board for board in BOARDS if board.uid == "qala-thermometers")
    (history,) = [
        signal
        for panel in board.panels
        for signal in signals_of(panel)
        if signal.name.startswith("state_over_time")
    ]
    assert "\"kind\" = 'thermometer'" in history.query


def test_mean_of_a_yes_or_no_is_a_share():
    for name in ("passage_mask_mean_lately", "passage_mask_mean_over_time_site"):
        assert SIGNALS[name].unit == "1"
    assert SIGNALS["audio_playing_mean_over_time"].unit == "1"
    assert SIGNALS["playing"].unit == ""


def test_limits_of_rules_are_lines_in_histories():
    board = next(board for board in BOARDS if board.uid == "qala-ionizers")
    panel = next(panel for panel in board.panels if panel.title == "Ozone, highest")
    assert isinstance(panel, TimeSeries)
    assert [step.value for step in panel.limits] == [None, math.nextafter(100, math.inf)]


def history_of(uid: str, title: str, limits: Limits | None = None) -> TimeSeries:
    boards = BOARDS if limits is None else build_all(limits)
    board = next(board for board in boards if board.uid == uid)
    panel = next(panel for panel in board.panels if panel.title == title)
    assert isinstance(panel, TimeSeries)
    return panel


def test_board_of_a_site_draws_what_a_rule_compares_beside_the_mean():
    mean, highest = history_of("qala-site", "Ozone").lines
    assert (mean.name, mean.beside) == ("Ozone, mean", None)
    assert (highest.name, highest.beside) == ("Ozone, highest", mean.signal)
    assert 'max("ozone_ugm3_max")' in highest.signal.query
    drawn = {shown.signal.name for shown in history_of("qala-device", "What it measures").lines}
    assert {"air_ozone_ugm3_max_over_time", "air_efficiency_pct_min_over_time"} <= drawn


@pytest.mark.parametrize(
    "above, titles",
    [
        ((), ["Temperature"]),
        ((True,), ["Temperature, highest"]),
        ((False,), ["Temperature, lowest"]),
        ((True, False), ["Temperature, highest", "Temperature, lowest"]),
    ],
)
def test_board_of_many_devices_draws_only_what_a_rule_compares(above, titles):
    rules = [Limit("r", 30 if side else 0, above=side, severity="warning") for side in above]
    limits = Limits({"temperature.celsius": rules})
    title = titles[0] if len(titles) == 1 else "Temperature"
    panel = history_of("qala-thermometers", title, limits)
    assert [shown.name for shown in panel.lines] == titles


def test_safe_is_only_said_from_the_limit_of_the_rule_up():
    board = next(board for board in BOARDS if board.uid == "qala-ionizers")
    panel = next(panel for panel in board.panels if panel.title == "Without a mask")
    assert isinstance(panel, Stat)
    safe, otherwise = panel.values[0].words
    assert (safe.value, safe.to, safe.colour) == (99.9, 100, "good")
    assert (otherwise.to, otherwise.colour) == (99.9, "bad")


def test_safe_is_said_by_the_strictest_rule_and_never_by_the_most_severe():
    warning, critical = (
        Limit(severity, value, above=False, severity=severity)
        for severity, value in (("warning", 99.9), ("critical", 50))
    )
    own = replace(warning, value=99.95, everywhere=False)
    for rules, expected in (
        ((warning, critical), [("safe without a mask", 99.9), ("wear a mask", 0)]),
        (
            (warning, critical, own),
            [
                ("safe without a mask", 99.95),
                ("see this stop's own rule", 99.9),
                ("wear a mask", 0),
            ],
        ),
        ((own,), []),
    ):
        boards = build_all(Limits({"air.efficiency_pct": rules}))
        board = next(board for board in boards if board.uid == "qala-ionizers")
        panel = next(panel for panel in board.panels if panel.title == "Without a mask")
        assert isinstance(panel, Stat)
        assert [(word.text, word.value) for word in panel.values[0].words] == expected


def test_windows_are_used_where_windows_are_read():
    assert {board.uid for board in BOARDS if not uses(board, "window")} == {
        *("qala-alerts", "qala-pipeline", "qala-quality"),
    }
    assert all(board.span.start == "now-6h" for board in BOARDS)
    assert SPANS[-1].start == "now-730d"


def test_catalogue_holds_every_signal_of_every_panel():
    entries = catalogue(BOARDS)
    assert len(entries) == sum(
        len(list(signals_of(panel))) for board in BOARDS for panel in board.panels
    )
    assert all(entry.liveness is entry.signal.liveness for entry in entries)
