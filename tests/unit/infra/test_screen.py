"""The live screen, drawn into text."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from infra.screen import (
    AlertBoard,
    AlertRow,
    Snapshot,
    StageRow,
    as_svg,
    render,
    summary_line,
)
from infra.supervisor.alerttail import Alerts
from infra.words import age_words, bytes_words, count_words
from schemas.records import Alert, AlertState, encode

BRIDGE = StageRow(
    name="bridge",
    state="ready",
    rate=498.4,
    lag=12,
    rejected=3,
    failures=1,
    cpu_pct=9.4,
    memory_bytes=71e6,
)
SNAPSHOT = Snapshot(
    data=".qala",
    up_s=192,
    simulated=True,
    speed=None,
    stages=[
        StageRow(name="kafka", state="ready", note="127.0.0.1:9092"),
        BRIDGE,
        StageRow(name="streams", state="backoff", restarts=2, note="ended with signal 9"),
    ],
    alerts=AlertBoard(
        rows=[
            AlertRow(
                at="12:03:04",
                state="firing",
                severity="critical",
                rule="ozone-high",
                summary="Ozone 104 µg/m³ at stop-04-north, device ionizer-2",
            )
        ],
        firing=1,
        complete=True,
    ),
    events=["12:03:00 streams backoff"],
)


def drawn(snapshot: Snapshot, width: int = 120) -> list[str]:
    out = StringIO()
    Console(file=out, width=width).print(render(snapshot))
    return out.getvalue().splitlines()


def line(lines: list[str], word: str) -> str:
    return next(line for line in lines if word in line)


def test_a_stage_is_one_line_with_its_figures_and_units() -> None:
    words = line(drawn(SNAPSHOT), " bridge ").split()
    assert words == ["bridge", "●", "ready", "498", "12", "3", "1", "0", "9", "%", "71", "MB"]


def test_what_has_no_figures_shows_dashes_and_its_address() -> None:
    words = line(drawn(SNAPSHOT), " kafka ").split()
    assert words == ["kafka", "●", "ready", "–", "–", "–", "–", "0", "–", "–", "127.0.0.1:9092"]


def test_what_is_in_trouble_says_why_and_how_often_it_was_started_again() -> None:
    lines = drawn(SNAPSHOT)
    assert "↻ backoff" in line(lines, " streams ")
    assert "ended with signal" in line(lines, " streams ")
    assert line(lines, "streams").split()[7] == "2"


def test_simulated_data_and_a_simulated_clock_are_named_in_the_header() -> None:
    assert "SIMULATED DATA" in drawn(SNAPSHOT)[0]
    assert "SIMULATED CLOCK" not in drawn(SNAPSHOT)[0]
    assert "SIMULATED CLOCK 60×" in drawn(replace(SNAPSHOT, speed=60.0))[0]
    assert "SIMULATED" not in drawn(replace(SNAPSHOT, simulated=False))[0]


def test_alerts_are_shown_with_how_many_fire_and_their_absence_is_said() -> None:
    assert line(drawn(SNAPSHOT), "Ozone").split()[:3] == ["12:03:04", "firing", "critical"]
    assert line(drawn(SNAPSHOT), "Alerts").split() == ["Alerts", "1", "firing"]
    many = drawn(replace(SNAPSHOT, alerts=replace(SNAPSHOT.alerts, firing=10)))
    assert "10 firing, all of them: qala alerts list --firing" in line(many, "Alerts")
    none = drawn(replace(SNAPSHOT, alerts=AlertBoard(complete=True)))
    assert "none fires" in "\n".join(none)


def test_before_the_alerts_are_read_the_screen_does_not_say_that_there_are_none() -> None:
    lines = "\n".join(drawn(replace(SNAPSHOT, alerts=AlertBoard())))
    assert "not read yet" in lines
    assert "none" not in lines


def alert(name: str, state: AlertState, at: int, *, fired: bool = True) -> tuple[bytes, bytes]:
    made = Alert(
        id=name, rule="ozone-high", severity="critical", site="s-1", kind="ionizer", device="i-1",
        state=state, value=1.0, summary=name, at=at, ordinal=at, started=0, fired=fired,
    )  # fmt: skip
    return name.encode(), encode(made)


def test_what_fires_comes_before_what_ended_however_old_it_is() -> None:
    alerts = Alerts()
    for name, state, at in (
        ("old", "firing", 1), ("a", "firing", 2), ("a", "resolved", 3), ("gone", "firing", 4),
        ("b", "firing", 5), ("b", "resolved", 6),
    ):  # fmt: skip
        alerts.take(*alert(name, state, at))
    alerts.take(*alert("never", "resolved", 7, fired=False))
    alerts.take(*alert("soon", "pending", 8, fired=False))
    alerts.take(b"gone", None)
    board = alerts.board(complete=True)
    assert [(row.rule, row.summary, row.state) for row in board.rows] == [
        ("ozone-high", "old", "firing"), ("ozone-high", "b", "resolved"),
        ("ozone-high", "a", "resolved"),
    ]  # fmt: skip
    assert board.firing == 1


def test_an_alert_of_another_day_is_shown_with_its_date() -> None:
    alerts = Alerts()
    alerts.take(*alert("x", "firing", 1_700_000_000_000))
    (row,) = alerts.board(complete=True).rows
    assert row.at == "14 Nov 22:13"


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_screen_keeps_to_the_width_of_its_terminal(width: int) -> None:
    long = StageRow(name="sink-influx", state="waiting", rate=1e6, lag=1e7, note="x " * 80)
    lines = drawn(replace(SNAPSHOT, stages=[*SNAPSHOT.stages, long]), width)
    assert max(map(len, lines)) <= width
    assert "1 000 000" in line(lines, "sink-influx")


def test_at_80_columns_no_address_word_or_number_is_broken_and_an_alert_is_whole() -> None:
    big = StageRow(
        name="sink-influx", state="waiting", rate=1_234_567, lag=1_200, rejected=4, failures=2,
        cpu_pct=9, memory_bytes=71e6, note="influxdb: no answer from 127.0.0.1:8086",
    )  # fmt: skip
    lines = drawn(replace(SNAPSHOT, stages=[*SNAPSHOT.stages, big]), 80)
    told = "\n".join(lines)
    assert "127.0.0.1:9092" in told
    assert "127.0.0.1:8086" in told
    assert line(lines, "sink-influx").split()[3:8] == ["1", "234", "567", "1", "200"]
    assert "Ozone 104 µg/m³ at stop-04-north," in told
    assert "device ionizer-2" in told
    assert "not shown for want of width: " in told
    assert "memory" in line(lines, "not shown")


def test_without_a_terminal_a_line_holds_states_and_figures() -> None:
    assert summary_line(SNAPSHOT) == (
        "kafka ready; bridge ready, 498/s, lag 12, rejected 3, failures 1; "
        "streams backoff, restarts 2"
    )


def test_the_screen_can_be_saved_as_a_picture() -> None:
    picture = as_svg(SNAPSHOT)
    assert picture.startswith("<svg")
    assert "SIMULATED" in picture


def test_numbers_are_said_as_people_read_them() -> None:
    ages = [age_words(s) for s in (-1, 0.42, 42, 120, 185, 7620, 90_000, 442_800)]
    assert ages == [
        "0.0 s", "0.4 s", "42 s", "2 min", "3 min 05 s", "2 h 07 min", "1 d 1 h", "5 d 3 h",
    ]  # fmt: skip
    assert [count_words(v) for v in (0, 0.5, 3, 1234567.8)] == ["0", "0.5", "3", "1 234 568"]
    assert [bytes_words(b) for b in (812, 64e3, 12e6, 1.4e9)] == [
        "812 B",
        "64 kB",
        "12 MB",
        "1.4 GB",
    ]
