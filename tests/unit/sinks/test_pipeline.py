"""The sink's own rows."""

from __future__ import annotations

from sinks.pipeline import PipelineReport
from tests.unit.schemas.line_protocol_reader import Row, read_row

START_NS = 1_800_000_000_000_000_000
NOW_NS = START_NS + 10_000_000_000
NOW_MS = NOW_NS // 1_000_000


def report_of(instance: str = "sink-influx-2") -> PipelineReport:
    return PipelineReport(instance, START_NS)


def rows_of(report: PipelineReport, at_ns: int = NOW_NS, **counters: float) -> list[Row]:
    return [read_row(row) for row in report.rows(at_ns, counters or {"accepted": 1}, {})]


def of_stage(rows: list[Row], stage: str, at_ns: int = NOW_NS) -> list[Row]:
    return [row for row in rows if row.tags["stage"] == stage and row.timestamp_ns == at_ns]


def test_a_report_holds_counters_lag_by_topic_delays_and_ages():
    report = report_of()
    for number in range(1, 101):
        report.delay(number / 100)
        report.age(number / 10)
    rows = [read_row(one) for one in report.rows(NOW_NS, {"accepted": 7}, {"qala.telemetry.v1": 3})]
    (row,) = of_stage(rows, "sink-influx")
    assert row == (
        "pipeline",
        {"stage": "sink-influx", "instance": "sink-influx-2"},
        {
            "accepted": 7.0, "lag_telemetry": 3.0, "delay_p50_s": 0.51, "delay_p99_s": 1.0,
            "age_p50_s": 5.1, "age_p99_s": 10.0,
        },
        NOW_NS,
    )  # fmt: skip


def test_delays_and_ages_are_those_of_one_interval():
    report = report_of()
    report.delay(1.0)
    report.age(1.0)
    rows_of(report)
    (row,) = rows_of(report)
    assert row.fields == {"accepted": 1.0}


def test_a_clock_that_is_ahead_makes_no_age_below_zero():
    report = report_of()
    report.age(-0.4)
    (row,) = of_stage(rows_of(report), "sink-influx")
    assert row.fields["age_p50_s"] == 0.0


def test_each_bridge_has_a_row_with_the_age_of_its_newest_tick_and_what_was_read_of_it():
    report = report_of("a")
    report.tick("bridge-1", NOW_MS - 2500)
    report.tick("bridge-1", NOW_MS - 9000)
    report.envelope("bridge-1", 115, 15_000)
    report.envelope("bridge-1", 5, 700)
    report.tick("bridge-2", NOW_MS + 5)
    one, two = of_stage(rows_of(report), "bridge")
    assert one.tags == {"stage": "bridge", "instance": "bridge-1", "reader": "a"}
    assert one.fields == {
        "tick_age_s": 2.5, "present": 1.0, "lines": 120.0, "bytes": 15_700.0, "envelopes": 2.0,
    }  # fmt: skip
    assert two.fields == {
        "tick_age_s": 0.0, "present": 1.0, "lines": 0.0, "bytes": 0.0, "envelopes": 0.0,
    }  # fmt: skip


def test_of_a_bridge_that_does_not_tick_it_is_not_told_that_it_is_present():
    report = report_of()
    report.tick("bridge-1", NOW_MS - 9_999)
    report.tick("bridge-2", NOW_MS - 10_000)
    rows = of_stage(rows_of(report), "bridge")
    assert ["present" in row.fields for row in rows] == [True, False]


def test_a_bridge_that_left_is_told_at_once_and_from_then_on_until_it_is_back():
    report = report_of("a")
    report.envelope("bridge-1", 115, 15_000)
    report.tick("bridge-1", NOW_MS - 2_500)
    row = read_row(report.left("bridge-1", NOW_MS - 2_000, NOW_NS))
    tags = {"stage": "bridge", "instance": "bridge-1", "reader": "a"}
    assert row == ("pipeline", tags, {"present": 0.0}, NOW_NS)
    report.tick("bridge-1", NOW_MS - 2_600)  # of a partition that is read later
    (row,) = of_stage(rows_of(report), "bridge")
    assert row.fields == {"present": 0.0, "lines": 115.0, "bytes": 15_000.0, "envelopes": 1.0}
    report.tick("bridge-1", NOW_MS - 1_000)
    (row,) = of_stage(rows_of(report), "bridge")
    assert (row.fields["present"], row.fields["tick_age_s"]) == (1.0, 1.0)


def test_ticks_that_another_copy_reads_now_have_no_age_here_until_one_is_read_again():
    report = report_of()
    report.tick("bridge-1", NOW_MS - 9000)
    report.forget_ticks()
    (row,) = of_stage(rows_of(report), "bridge")
    assert "tick_age_s" not in row.fields
    report.tick("bridge-1", NOW_MS - 1000)
    (row,) = of_stage(rows_of(report), "bridge")
    assert row.fields["tick_age_s"] == 1.0


def test_a_bridge_on_a_simulated_clock_has_no_age_of_its_ticks():
    report = report_of()
    report.envelope("bridge-1", 1, 100)
    (row,) = of_stage(rows_of(report), "bridge")
    assert "tick_age_s" not in row.fields


def test_an_envelope_that_names_no_bridge_is_counted_all_the_same():
    report = report_of()
    report.envelope(None, 1, 100)
    (row,) = of_stage(rows_of(report), "bridge")
    assert row.tags["instance"] == "unknown"


def test_dead_letters_are_counted_by_their_reason_and_who_wrote_them():
    report = report_of("a")
    for _ in range(3):
        report.letter("not_json", "bridge-1")
    report.letter("out_of_range", "bridge-1")
    report.letter(None, None)
    counts = {
        (row.tags["reason"], row.tags["writer"]): row.fields["letters"]
        for row in of_stage(rows_of(report), "dead-letters")
    }
    assert counts == {
        ("not_json", "bridge-1"): 3.0, ("out_of_range", "bridge-1"): 1.0,
        ("unknown", "unknown"): 1.0,
    }  # fmt: skip


def test_the_first_row_of_a_counter_has_a_zero_before_it_where_its_interval_began():
    report = report_of()
    later_ns = NOW_NS + 10_000_000_000
    rows_of(report, accepted=4)
    report.letter("not_json", "bridge-1")
    rows = rows_of(report, later_ns, accepted=9)
    letters = [(row.timestamp_ns, row.fields["letters"]) for row in rows if "reason" in row.tags]
    assert letters == [(NOW_NS, 0.0), (later_ns, 1.0)]
    own = [row.timestamp_ns for row in rows if row.tags["stage"] == "sink-influx"]
    assert own == [later_ns]
    first = rows_of(report_of(), accepted=4)
    assert [(row.timestamp_ns, row.fields["accepted"]) for row in first] == [
        (START_NS, 0.0), (NOW_NS, 4.0),
    ]  # fmt: skip
