"""The sink's own rows."""

from __future__ import annotations

from sinks.pipeline import PipelineReport

NOW_NS = 1_800_000_000_000_000_000


def test_a_report_holds_counters_lag_by_topic_and_delays():
    report = PipelineReport("sink-influx-2")
    for number in range(1, 101):
        report.delay(number / 100)
    (row,) = report.rows(NOW_NS, {"accepted": 7}, {"qala.telemetry.v1": 3})
    series, fields, stamp = row.split(" ")
    assert series == "pipeline,stage=sink-influx,instance=sink-influx-2"
    assert set(fields.split(",")) == {
        "accepted=7.0",
        "lag_telemetry=3.0",
        "delay_p50_s=0.51",
        "delay_p99_s=1.0",
    }
    assert stamp == str(NOW_NS)


def test_delays_are_those_of_one_interval():
    report = PipelineReport("a")
    report.delay(1.0)
    report.rows(NOW_NS, {"accepted": 1}, {})
    assert "delay" not in report.rows(NOW_NS, {"accepted": 1}, {})[0]


def test_each_bridge_has_a_row_with_the_age_of_its_newest_tick():
    report = PipelineReport("a")
    now_ms = NOW_NS // 1_000_000
    report.tick("bridge-1", now_ms - 2500)
    report.tick("bridge-1", now_ms - 9000)
    report.tick("bridge-2", now_ms + 5)
    rows = report.rows(NOW_NS, {"accepted": 1}, {})
    assert f"pipeline,stage=sink-influx,instance=a,bridge=bridge-1 tick_age_s=2.5 {NOW_NS}" in rows
    assert f"pipeline,stage=sink-influx,instance=a,bridge=bridge-2 tick_age_s=0.0 {NOW_NS}" in rows
