from collections import defaultdict
from math import isclose
from operator import itemgetter

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.envelope import Line
from schemas.measurements import late_shift_ns
from schemas.readings import Air
from schemas.records import WINDOW_MS, Rollup
from streams.windows import Accumulator, shapes
from tests.support.cities import DEVICES, START_MS, STEPS, City, random_steps
from tests.support.folds import NO_RULES, quiet_run, reloaded, written
from tests.support.street import Street

Key = tuple[str, str, str, str, tuple[str, ...], int]
Stats = dict[str, tuple[int, float, float, float]]

LONG_WAIT_S = 3700


def merged(rows: list[Rollup]) -> dict[Key, tuple[int, Stats]]:
    """All partials of a window as one row, as whoever reads them merges them."""
    windows: dict[Key, list[Rollup]] = defaultdict(list)
    for row in rows:
        start = row.start - row.start % WINDOW_MS[row.window]
        tags = tuple(row.tags.values())
        windows[row.type, row.window, row.site, row.device, tags, start].append(row)
    return {
        key: (sum(row.count for row in found), merged_fields(found))
        for key, found in windows.items()
    }


def merged_fields(rows: list[Rollup]) -> Stats:
    stats: dict[str, list[tuple[int, float, float, float]]] = defaultdict(list)
    for row in rows:
        for field, found in row.fields.items():
            stats[field].append(found)
    return {
        field: (
            sum(map(itemgetter(0), found)),
            sum(map(itemgetter(1), found)),
            min(map(itemgetter(2), found)),
            max(map(itemgetter(3), found)),
        )
        for field, found in stats.items()
    }


def expected_windows(log) -> dict[Key, tuple[int, Stats]]:
    """Straight from the lines: distinct readings by event time, each window by itself."""
    by_struct = shapes()
    windows: dict[Key, list[tuple[str, ...]]] = defaultdict(list)
    for line in distinct(log):
        reading = line.reading
        shape = by_struct[type(reading)]
        event_ms = reading.ts if line.at is None else line.at
        tags = tuple(getattr(reading, tag) for tag in shape.tags)
        for window, span in WINDOW_MS.items():
            start = event_ms - event_ms % span
            key = (shape.type, window, line.site, line.device, tags, start)
            windows[key].append(dict(zip(shape.fields, shape.values(reading), strict=True)))
    return {key: (len(found), direct(found)) for key, found in windows.items()}


def direct(readings) -> Stats:
    columns = defaultdict(list)
    for reading in readings:
        for field, value in reading.items():
            if value is not None:
                columns[field].append(float(value))
    return {name: (len(col), sum(col), min(col), max(col)) for name, col in columns.items()}


def distinct(log) -> list[Line]:
    generations = defaultdict(lambda: [(set(), 0)])  # the names, and what the newest ts was before
    newest = defaultdict(int)
    found = []
    decode = msgspec.json.Decoder(Line).decode
    for record in log:
        for raw in record.value.splitlines():
            try:
                line = decode(raw)
            except msgspec.DecodeError:
                continue
            if line.reading is None:
                continue
            device, name = (line.site, line.device), (line.reading.boot, line.reading.seq)
            known, ts = generations[device], line.reading.ts
            seen, since = known[-1]
            if len(known) > 1 and ts <= since:
                seen = known[-2][0]
            elif name in seen and ts > newest[device]:
                seen = set()
                known.append((seen, newest[device]))
            if name in seen:
                continue
            seen.add(name)
            newest[device] = max(newest[device], ts)
            found.append(line)
    return found


def assert_windows_complete(city: City) -> None:
    city.now_ms += LONG_WAIT_S * 1000 * 61
    city._tick()
    _, results = quiet_run(city.log, NO_RULES)
    found, expected = merged(results.rollups()), expected_windows(city.log)
    assert found.keys() == expected.keys()
    for key, (count, fields) in expected.items():
        assert found[key][0] == count, key
        assert found[key][1].keys() == fields.keys()
        for field, stats in fields.items():
            of_field = found[key][1][field]
            assert (of_field[0], *of_field[2:]) == (stats[0], *stats[2:]), (key, field)
            assert isclose(of_field[1], stats[1], rel_tol=1e-12, abs_tol=1e-9), (key, field)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(set(STEPS))),
            st.integers(0, len(DEVICES) - 1),
            st.integers(0, 999),
        ),
        max_size=60,
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_merged_partials_are_the_windows_of_all_distinct_readings(steps):
    city = City(per_device_wrong_clock=True)
    city.play(steps)
    assert_windows_complete(city)


def test_merged_partials_of_long_logs_are_the_windows_of_all_distinct_readings():
    for seed in range(30):
        city = City(per_device_wrong_clock=True)
        city.play(random_steps(seed, 200))
        assert_windows_complete(city)


def rows(street: Street, window: str) -> list[tuple[int, int, int]]:
    """(start in s, shift, count) of a window's rows, as they came."""
    return [
        ((row.start - START_MS) // 1000, row.shift, row.count)
        for row in street.rollups()
        if row.window == window
    ]


def test_a_window_closes_two_seconds_after_its_end():
    street = Street()
    street.says("ion-1", "air", efficiency_pct=50.0)
    street.ticks(11)
    assert rows(street, "10s") == []
    street.ticks(1)
    assert rows(street, "10s") == [(0, 0, 1)]


def test_a_reading_at_the_end_of_a_window_belongs_to_the_next():
    street = Street()
    street.says("ion-1", "air", ms=9999, efficiency_pct=50.0)
    street.says("ion-1", "air", ms=10_000, efficiency_pct=50.0)
    street.ticks(22)
    assert rows(street, "10s") == [(0, 0, 1), (10, 0, 1)]


def test_minutes_and_hours_are_made_of_closed_windows():
    street = Street()
    for _ in range(12):
        street.says("ion-1", "air", efficiency_pct=50.0)
        street.ticks(10)
    street.ticks(3600)
    assert rows(street, "1m") == [(0, 0, 6), (60, 0, 6)]
    assert rows(street, "1h") == [(0, 0, 12)]


def test_late_readings_become_one_partial_for_each_envelope_and_window():
    street = Street()
    street.ticks(100)
    late = [
        street.line("ion-1", "air", ms=ms, efficiency_pct=50.0) for ms in (1000, 2000, 11_000, 3000)
    ]
    street.send(*late[:3])
    first = street.part.last
    street.send(late[3])
    shifts = [late_shift_ns(offset, 10_000) for offset in (first, first + 1)]
    assert rows(street, "10s") == [(0, shifts[0], 2), (10, shifts[0], 1), (0, shifts[1], 1)]
    minute = [late_shift_ns(offset, 60_000) for offset in (first, first + 1)]
    assert rows(street, "1m") == [(0, minute[0], 3), (0, minute[1], 1)]
    assert rows(street, "1h") == []
    street.ticks(3600)
    assert rows(street, "1h") == [(0, 0, 4)]


def test_a_reading_that_is_late_for_its_ten_seconds_only_is_folded_into_its_open_minute():
    street = Street()
    street.ticks(30)
    street.says("ion-1", "air", ms=1000, efficiency_pct=50.0)
    street.ticks(40)
    assert [shift > 0 for _, shift, _ in rows(street, "10s")] == [True]
    assert rows(street, "1m") == [(0, 0, 1)]


def test_late_readings_of_two_series_are_two_partials():
    street = Street()
    street.ticks(100)
    street.send(
        street.line("th-1", "temperature", ms=1, celsius=20.0, subject="water"),
        street.line("th-1", "temperature", ms=2, celsius=30.0, subject="body"),
        street.line("th-2", "temperature", ms=3, celsius=40.0, subject="body"),
    )
    found = [row for row in street.rollups() if row.window == "10s"]
    assert [(row.device, row.tags["subject"], row.count) for row in found] == [
        ("th-1", "water", 1),
        ("th-1", "body", 1),
        ("th-2", "body", 1),
    ]


@given(st.integers(0, 2**62), st.sampled_from(sorted(WINDOW_MS.values())))
def test_a_late_partial_stands_within_its_window_and_after_its_start(offset, window_ms):
    assert 0 < late_shift_ns(offset, window_ms) < window_ms * 1_000_000


def test_a_rising_speed_opens_no_closed_window_again():
    street = Street()
    street.says("ion-1", "air", ms=0, efficiency_pct=50.0)
    street.ticks(30)
    street.ticks(1, speed=60.0)
    street.says("ion-1", "air", ms=1000, efficiency_pct=50.0)
    street.ticks(600, speed=60.0)
    assert [shift > 0 for start, shift, _ in rows(street, "10s") if start == 0] == [False, True]


def test_an_optional_field_counts_only_the_readings_that_have_it():
    street = Street()
    street.says("ion-1", "air", efficiency_pct=50.0)
    street.says("ion-1", "air", efficiency_pct=60.0, co2_ppm=400.0)
    street.ticks(12)
    (row,) = street.rollups()
    assert row.count == 2
    assert row.fields == {
        "efficiency_pct": (2, 110.0, 50.0, 60.0),
        "co2_ppm": (1, 400.0, 400.0, 400.0),
    }


def test_a_truth_is_aggregated_as_nought_and_one():
    street = Street()
    for playing in (True, False, True):
        street.says("spk-1", "audio", volume_pct=5.0, playing=playing)
    street.ticks(12)
    assert street.rollups()[0].fields["playing"] == (3, 2.0, 0.0, 1.0)


@given(st.lists(st.floats(-1e6, 1e6), max_size=50), st.integers(0, 50))
def test_a_sum_is_rounded_the_same_after_a_restart(values, restart):
    quiet, restarted = Accumulator(1), Accumulator(1)
    for place, value in enumerate(values):
        if place == restart:
            kept = msgspec.msgpack.decode(msgspec.msgpack.encode(restarted.snapshot()))
            restarted = Accumulator.restore(kept)
        quiet.add((value,))
        restarted.add((value,))
    assert quiet.snapshot() == restarted.snapshot()


@given(st.integers(1, 70), st.integers(0, 70))
def test_the_folds_short_way_rounds_as_the_accumulator_does(count, restart):
    street = Street()
    for number in range(count):
        if number == restart:
            street.part = reloaded(written(street.part))
        street.says("ion-1", "air", ms=1, efficiency_pct=number / 7)
    street.ticks(12)
    alone = Accumulator(1)
    for number in range(count):
        alone.add((number / 7,))
    assert street.rollups()[0].fields == alone.fields(("efficiency_pct",))


def test_every_type_has_a_shape_whose_values_are_those_of_its_fields():
    shape = shapes()[Air]
    reading = Air(ts=1, boot=1, seq=1, efficiency_pct=5.0, co2_ppm=7.0)
    values = dict(zip(shape.fields, shape.values(reading), strict=True))
    assert values["efficiency_pct"] == 5.0
    assert values["co2_ppm"] == 7.0
    assert values["people"] is None
