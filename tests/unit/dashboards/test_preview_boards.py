"""What the preview makes of a board and InfluxDB's answers, without InfluxDB."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from dashboards.draw import Known, Missing, Said
from dashboards.influxql import ALL
from dashboards.model import (
    Board,
    EventColumn,
    Events,
    Link,
    Section,
    Shown,
    Signal,
    Stat,
    StateTimeline,
    Step,
    Table,
    Text,
    TimeSeries,
    Variable,
    Word,
    placed,
)
from dashboards.preview.current import current_values, stat_cells, table_rows
from dashboards.preview.fit import fitted
from dashboards.preview.frame import Simulated, badges, frame_of
from dashboards.preview.history import event_marks, known_until_ms, series_lines, state_lines
from dashboards.preview.pages import Map, Page
from dashboards.preview.render import panels_of
from dashboards.preview.view import Answers, View
from dashboards.signals.liveness import SINK, STREAMS, sink_tick, worker_tick
from schemas.influxql import Series

NOW_MS = 1_800_000_000_000
VIEW = View(variables={"site": ALL}, end_ms=NOW_MS, range_s=6 * 3600)
BY = ("site", "device")


def signal(name: str, kind: str, **more: object) -> Signal:
    fields = {
        "title": name.capitalize(),
        "query": f"{name} $timeFilter",
        "unit": "µg/m³",
        "measurement": "air",
        "description": f"{name}.",
        "by": BY,
        "liveness": STREAMS if kind == "now" else None,
    }
    return Signal(name=name, kind=kind, **(fields | more))


OZONE = signal("ozone", "now")
PEOPLE = signal("people", "now", unit="people", measurement="scene")
SEEN = signal("seen", "age", unit="")
NEWEST = signal("newest", "age", unit="", by=())
OZONE_HISTORY = signal("ozone_history", "history")
SHARE_HISTORY = signal("share_history", "history", unit="1")
STATES = signal("states", "history", unit="")
MARKS = signal("marks", "events", by=())
EVENTS = signal("events", "events", by=())

STAT = Stat(
    title="Ozone",
    description="Ozone now.",
    values=(Shown(signal=OZONE, steps=(Step(None, "good"), Step(100, "critical"))),),
    age=NEWEST,
)
TABLE = Table(
    title="Stops",
    description="All stops.",
    rows=SEEN,
    age_title="Last reading",
    columns=(Shown(signal=OZONE), Shown(signal=PEOPLE)),
    links=(Link(title="", board="device", variables={"site": "{site}", "device": "{device}"}),),
)
HISTORY = TimeSeries(
    title="Over time",
    description="History.",
    lines=(Shown(signal=OZONE_HISTORY), Shown(signal=SHARE_HISTORY)),
)
TIMELINE = StateTimeline(
    title="States",
    description="States.",
    states=Shown(signal=STATES, words=(Word(3, "online", "good"), Word(1, "offline", "bad"))),
)
HAPPENED = Events(
    title="Happened",
    description="Events.",
    signal=EVENTS,
    columns=(EventColumn(column="state", title="State", words={"firing": "critical"}),),
)
SITE = Variable(name="site", title="Site", description="", query="sites")
CITY = Board(
    uid="city",
    title="City",
    description="All.",
    variables=(SITE,),
    sections=(
        Section(title="Now", panels=(STAT, TABLE)),
        Section(title="History", panels=(HISTORY, TIMELINE, HAPPENED)),
        Section(title="Words", panels=(Text(title="", description="", markdown="**Hi**"),)),
    ),
    annotations=MARKS,
)
PLACE = Board(
    uid="site",
    title="Site",
    description="One.",
    variables=(replace(SITE, many=False),),
    sections=(),
    links=(Link(title="City", board="city"),),
)
DEVICE = replace(PLACE, uid="device", title="Device")
STOP, GATE = {"site": "stop-1", "device": "ion-1"}, {"site": "gate-1", "device": "cam-1"}
PAGES = Map(
    [
        Page(board=CITY),
        Page(board=PLACE, chosen={"site": "stop-1"}),
        Page(board=DEVICE, chosen=STOP),
    ]
)


def rows(tags: dict[str, str], *values: tuple[int, object]) -> Series:
    return Series(tags, ("time", "value"), [list(value) for value in values])


def answers(found: dict[str, list[Series]], *, live: float = 1.0, ago_s: float = 2) -> Answers:
    """The answers to these signals by name; ticks came ``ago_s`` ago."""
    tick = rows({}, (NOW_MS - int(ago_s * 1000), 0.1))
    made = Answers(VIEW)
    for each in (OZONE, PEOPLE, SEEN, NEWEST, OZONE_HISTORY, SHARE_HISTORY, STATES, MARKS, EVENTS):
        made.found[VIEW.fill(each.query)] = found.get(each.name, [])
    for liveness in (STREAMS, SINK):
        made.found[VIEW.fill(liveness.query)] = [rows({}, (0, live))]
    for age in (worker_tick, sink_tick):
        made.found[VIEW.fill(age.query)] = [tick] if ago_s >= 0 else []
    return made


FULL = {
    "ozone": [rows(STOP, (0, 140.0)), rows(GATE, (0, 20.0))],
    "people": [rows(STOP, (0, 3))],
    "seen": [rows(STOP, (NOW_MS - 5000, 1)), rows(GATE, (NOW_MS - 90_000, 1))],
    "newest": [rows({}, (NOW_MS - 5000, 1))],
}


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
        (replace(NEWEST, bound_s=365 * 86_400), "not in 365 d"),
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


def test_of_many_stacked_bars_the_smallest_are_one() -> None:
    bars = replace(HISTORY, lines=HISTORY.lines[:1], style="bars", stacked=True)
    found = {
        "ozone_history": [
            rows({"site": "s", "device": f"d{size:02}"}, (NOW_MS, float(size)))
            for size in range(1, 12)
        ]
    }
    lines = series_lines(bars, answers(found))
    assert [line.label for line in lines] == [*(f"d{n:02}" for n in range(5, 12)), "4 others"]
    assert lines[-1].values == [1 + 2 + 3 + 4]


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


def test_lines_are_named_by_what_tells_them_apart() -> None:
    found = {
        "ozone_history": [
            rows({"site": "stop-1", "device": "a"}, (NOW_MS - 120_000, 1.0), (NOW_MS, None)),
            rows({"site": "stop-1", "device": "b"}, (NOW_MS, 2.0)),
        ]
    }
    lines = series_lines(HISTORY, answers(found))
    assert [line.label for line in lines] == ["Ozone_history · a", "Ozone_history · b"]
    assert [line.unit for line in lines] == ["µg/m³", "µg/m³"]


def test_silence_in_a_history_is_a_gap() -> None:
    step = HISTORY.joins_s * 1000
    found = {"ozone_history": [rows(STOP, *((NOW_MS - step * n, 1.0) for n in (9, 8, 3, 2)))]}
    (line,) = series_lines(HISTORY, answers(found))
    assert line.values == [1.0, 1.0, None, 1.0, 1.0]


def test_states_are_known_up_to_the_workers_last_tick_and_not_up_to_now() -> None:
    assert known_until_ms(answers({}, ago_s=34)) == NOW_MS - 34_000
    assert known_until_ms(answers({}, ago_s=-1)) == VIEW.start_ms


def test_a_timeline_has_a_line_for_each_device() -> None:
    found = {"states": [rows(STOP, (NOW_MS, 3)), rows(GATE, (NOW_MS, 1))]}
    assert [line.label for line in state_lines(TIMELINE, answers(found))] == [
        "gate-1 · cam-1",
        "stop-1 · ion-1",
    ]


def test_alerts_that_fired_are_marks_with_their_summary() -> None:
    told = Series({}, ("time", "summary", "severity"), [[NOW_MS, "Ozone 140", "critical"]])
    (mark,) = event_marks(MARKS, answers({"marks": [told]}))
    assert (mark.text, mark.colour) == ("Ozone 140", "critical")


@pytest.mark.parametrize(
    "live, ago_s, said",
    [
        (1.0, 2, "Worker live: last tick 2 s ago"),
        (0, 34, "Worker UNKNOWN: no tick for 34 s"),
        (0.875, 1, "Worker UNKNOWN: only 87.5 % of the partitions tick"),
        (0, -1, "Worker UNKNOWN: no tick yet"),
    ],
)
def test_a_badge_says_whether_the_worker_is_live_and_since_when_not(live, ago_s, said) -> None:
    (badge,) = badges(CITY, answers({}, live=live, ago_s=ago_s))
    assert badge.words.replace("\u202f", " ") == said
    assert badge.live == (live == 1.0)


def test_the_way_back_leads_from_a_device_over_its_site_to_the_city() -> None:
    page = PAGES.pages[2]
    board = replace(
        DEVICE, variables=(replace(SITE, many=False), replace(SITE, name="device", many=False))
    )
    device = Page(board=board, chosen=page.chosen)
    frame = frame_of(device, PAGES, answers({}), simulated=Simulated(3, 3))
    assert [(link.words, link.href) for link in frame.path] == [
        ("City", "city.html"),
        ("stop-1", "site.stop-1.html"),
    ]
    assert [link.words for link in frame.links] == ["City"]
    assert "SIMULATED" in (frame.simulated or "")


def test_nothing_is_called_real_or_unreal_that_is_not() -> None:
    assert Simulated(1, 400).words == "CONTAINS SIMULATED DATA · 1 of 400 devices"
    assert Simulated(0, 400).words == Simulated(0, 0).words == "CONTAINS SIMULATED DATA"
    assert "no device, person or place here is real" in Simulated(400, 400).words
    assert frame_of(PAGES.pages[0], PAGES, answers({}), simulated=None).simulated is None


def test_links_lead_to_pages_that_are_drawn_and_to_no_others() -> None:
    assert PAGES.href("site", {"site": "stop-1"}) == "site.stop-1.html"
    assert PAGES.href("site", {"site": "gate-1"}) is None
    assert PAGES.href("city", {"site": "stop-1"}) == "city.html"
    assert PAGES.href("moon", {}) is None
    assert PAGES.about({"site": "stop-1"}) == "site.stop-1.html"


@pytest.mark.parametrize("name", ["../up", "a/b", "a.b", ".", "é <x>"])
def test_a_strange_name_makes_a_file_in_the_same_folder(name: str) -> None:
    page = Page(board=PLACE, chosen={"site": name})
    assert re.fullmatch(r"site\.[A-Za-z0-9%_~-]+\.html", page.name)


def test_a_whole_page_has_all_panels_with_values_and_links() -> None:
    tick = NOW_MS - 60_000
    found = FULL | {
        "ozone_history": [rows(STOP, (tick, 1.0))],
        "share_history": [rows(STOP, (tick, 0.5))],
        "states": [rows(STOP, (tick, 3))],
        "events": [Series({}, ("time", "state"), [[tick, "firing"]])],
    }
    script, panels = panels_of(PAGES.pages[0], PAGES, answers(found))
    text = "".join(panels)
    assert script is not None
    assert text.count("<section") == len(CITY.panels)
    assert 'href="device.stop-1.ion-1.html"' in text
    assert "device.gate-1.cam-1.html" not in text  # that page isn't drawn
    assert 'href="site.stop-1.html"' in text
    assert "1 min ago" in text
    assert text.count('class="plot"') == 3  # two units are two charts
    assert "<strong>Hi</strong>" in text


def test_a_page_of_nothing_says_so_in_every_panel() -> None:
    script, panels = panels_of(PAGES.pages[0], PAGES, answers({}))
    text = "".join(panels)
    assert script is None
    assert text.count("no data in this range") == 2
    assert 'data-lack="no data"' in text
    assert "nothing in this range" in text


def test_panels_are_as_high_as_what_is_in_them_and_never_overlap() -> None:
    found = list(fitted(CITY, answers(FULL)))
    for spot, given in zip(found, placed(CITY), strict=True):
        assert spot.panel == given.panel
        assert spot.height <= given.height
    heights = {spot.panel.title: spot.height for spot in found if spot.panel}
    assert heights[TABLE.title] < TABLE.height
    assert heights[HISTORY.title] == HISTORY.height
    taken = [
        (x, y)
        for spot in found
        for x in range(spot.x, spot.x + spot.width)
        for y in range(spot.y, spot.y + spot.height)
    ]
    assert len(taken) == len(set(taken))


def test_the_present_is_that_of_influxdb_and_a_past_moment_has_an_end() -> None:
    query = "SELECT 1 WHERE time > now() - 10s AND $timeFilter"
    assert "time > now() - 10s" in VIEW.fill(query)
    past = replace(VIEW, past=True).fill(query)
    assert f"time <= {NOW_MS}ms + 5s AND time > {NOW_MS}ms - 10s" in past
    assert f"time <= {NOW_MS}ms" in past


def test_a_signal_with_longer_intervals_than_the_view_is_asked_by_its_own() -> None:
    hourly = signal("hourly", "history", query="$__interval", shortest_s=3600)
    assert VIEW.ask(hourly) == "3600000ms"
    assert VIEW.ask(replace(hourly, shortest_s=0)) == f"{VIEW.step_ms}ms" == "60000ms"
    year = replace(VIEW, range_s=365 * 86_400)
    assert year.ask(hourly) == f"{year.step_ms}ms"
    assert year.step_ms % 3_600_000 == 0


@pytest.mark.parametrize("hours, window", [(1, "10s"), (6, "1m"), (7 * 24, "1m"), (91 * 24, "1h")])
def test_the_range_chooses_the_window(hours: int, window: str) -> None:
    assert replace(VIEW, range_s=hours * 3600).window == window
