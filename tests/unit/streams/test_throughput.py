import msgspec

from schemas.envelope import line_bytes, line_head
from tests.support.cities import START_MS
from tests.support.street import SITE, Street


def seconds(row) -> int:
    return (row.start - START_MS) // 1000


def test_throughput_runs_by_the_logs_clock_so_a_late_reading_counts_when_it_comes():
    street = Street()
    street.ticks(100)
    street.says("th-1", "temperature", ms=1000, celsius=20.0)
    street.ticks(10)
    (row,) = street.throughput()
    assert (seconds(row), row.readings) == (100, 1)


def test_a_throughput_window_closes_at_its_end_without_lateness():
    street = Street()
    street.says("th-1", "temperature", celsius=20.0)
    street.ticks(9)
    assert street.throughput() == []
    street.ticks(1)
    assert [row.readings for row in street.throughput()] == [1]


def test_a_reading_in_the_record_that_ends_a_window_counts_in_the_next():
    street = Street()
    street.says("th-1", "temperature", celsius=20.0)
    street.ms = 10_000
    street.says("th-1", "temperature", celsius=20.0)
    street.ticks(10)
    assert [(seconds(row), row.readings) for row in street.throughput()] == [(0, 1), (10, 1)]


def test_only_distinct_accepted_readings_are_counted():
    street = Street()
    for seq in (0, 1, 1, 0, 2):
        street.says("th-1", "temperature", ms=0, seq=seq, celsius=20.0)
    street.fold(b"nonsense\n")
    street.status("th-1", "online")
    street.ticks(10)
    assert [row.readings for row in street.throughput()] == [3]


def test_bytes_are_those_of_the_readings_own_json():
    bodies = [
        b'{"type":"temperature","ts":1767225600001,"boot":1,"seq":0,"celsius":20}',
        b'{ "type":"temperature", "ts":5, "boot":1, "seq":1, "celsius":20.50, "subject":"body" }',
        '{"type":"ticket","ts":7,"boot":1,"seq":0,"ticket":"é€😀","service":"t","event":"called"}',
    ]
    third = bodies[2].encode()
    rx = START_MS * 1000
    thermometer, desk = line_head(SITE, "thermometer", "th-1"), line_head(SITE, "desk", "d")
    street = Street()
    street.send(
        line_bytes(thermometer, rx, b"reading", bodies[0]),
        line_bytes(thermometer, rx, b"reading", bodies[1], at=START_MS),
        line_bytes(desk, rx, b"reading", third, at=-5),
    )
    street.ticks(10)
    found = {row.kind: row.bytes for row in street.throughput()}
    assert found == {"thermometer": len(bodies[0]) + len(bodies[1]), "desk": len(third)}


def test_devices_are_the_distinct_ones_heard_in_the_window():
    street = Street()
    for device in ("th-1", "th-2", "th-1", "th-3"):
        street.says(device, "temperature", celsius=20.0)
    street.ticks(10)
    street.says("th-1", "temperature", celsius=20.0)
    street.ticks(50)
    assert [row.devices for row in street.throughput("10s")] == [3, 1]
    assert [row.devices for row in street.throughput("1m")] == [3]


def test_people_who_pass_are_summed_by_direction():
    street = Street()
    for way in ("in", "in", "out", "in"):
        street.says("cam-1", "passage", person="p", direction=way)
    street.ticks(10)
    (row,) = street.throughput()
    assert (row.people_in, row.people_out, row.readings) == (3, 1, 4)


def test_people_are_the_sum_of_what_each_device_told_last():
    street = Street()
    street.says("cam-1", "scene", people=5, fps=25.0)
    street.says("cam-2", "scene", people=7, fps=25.0)
    street.says("cam-1", "scene", people=3, fps=25.0)
    street.says("cam-2", "scene", ms=-5000, people=90, fps=25.0)
    street.ticks(10)
    assert [row.people for row in street.throughput()] == [10]
    street.says("cam-1", "scene", people=0, fps=25.0)
    street.ticks(10)
    assert [row.people for row in street.throughput()] == [10, 7]


def test_minutes_and_hours_are_sums_of_their_ten_seconds():
    street = Street()
    for _ in range(400):
        street.says("th-1", "temperature", celsius=20.0)
        street.ticks(10)
    street.ticks(3600)
    for window in ("10s", "1m", "1h"):
        assert sum(row.readings for row in street.throughput(window)) == 400
    assert [row.readings for row in street.throughput("1h")] == [360, 40]


def test_where_nothing_was_sent_there_is_no_row():
    street = Street()
    street.says("th-1", "temperature", celsius=20.0)
    street.ticks(60)
    assert [seconds(row) for row in street.throughput()] == [0]


def test_after_an_outage_the_open_windows_close_where_they_began():
    street = Street()
    street.says("th-1", "temperature", celsius=20.0)
    street.outage(7300)
    assert [
        (window, seconds(row))
        for window in ("10s", "1m", "1h")
        for row in street.throughput(window)
    ] == [("10s", 0), ("1m", 0), ("1h", 0)]
    street.says("th-1", "temperature", celsius=20.0)
    street.ticks(10)
    assert [seconds(row) for row in street.throughput()] == [0, 7300]


def test_kinds_are_told_apart():
    street = Street()
    street.says("th-1", "temperature", celsius=20.0)
    street.says("spk-1", "audio", volume_pct=5.0, playing=True)
    street.ticks(10)
    assert {row.kind: row.readings for row in street.throughput()} == {
        "thermometer": 1,
        "speaker": 1,
    }


def test_a_throughput_row_is_what_the_contract_says():
    street = Street()
    street.says("th-1", "temperature", celsius=20.0)
    street.ticks(10)
    assert set(msgspec.to_builtins(street.throughput()[0])) == {
        *("row", "window", "site", "kind", "start", "readings", "bytes", "devices"),
        *("people_in", "people_out", "people"),
    }
