"""What a dropped state still gives out: open windows once, and the ends of alerts that are on."""

from __future__ import annotations

from collections import defaultdict
from random import Random

import msgspec
import pytest

from schemas import topics
from schemas.records import (
    Alert,
    Rollup,
    RollupValue,
    Throughput,
    decode_alert,
    decode_rollup,
    rollup_key,
)
from streams import state as states
from streams.leftovers import ends_of_alerts, given_after, leftover_shift_ns, open_windows
from streams.outputs import Output
from streams.partition import Partition
from streams.reset import readable
from streams.rules import RuleSet
from streams.state import State
from tests.support.cities import City, Record, random_steps
from tests.support.folds import absent_rule, partition, reloaded, value_rule, written
from tests.support.street import SITE, Street

Windows = dict[tuple[object, ...], dict[str, tuple[float, ...]]]


def kept_of(part: Partition) -> State:
    state = states.load(written(part))
    assert state is not None
    return state


def rows_of(outputs: list[Output]) -> list[RollupValue]:
    return [decode_rollup(one.value) for one in outputs if one.topic == topics.ROLLUPS]


def merged(rows: list[RollupValue]) -> Windows:
    """Each window of all its rows: count, and (count, sum, min, max) of each field."""
    by_key = {rollup_key(row): row for row in rows if isinstance(row, Rollup)}
    found: Windows = defaultdict(dict)
    for row in by_key.values():
        held = found[row.device, row.site, row.type, *row.tags.values(), row.window, row.start]
        held["readings"] = (held.get("readings", (0,))[0] + row.count,)
        for name, (count, total, low, high) in row.fields.items():
            had = held.get(name, (0, 0.0, low, high))
            held[name] = (
                had[0] + count, round(had[1] + total, 6), min(had[2], low), max(had[3], high),
            )  # fmt: skip
    return found


def folded(part: Partition, log: list[Record], until: int) -> list[Output]:
    outputs: list[Output] = []
    for offset in range(part.last + 1, until):
        record = log[offset]
        outputs += part.fold(offset, record.timestamp_ms, record.value, record.headers)
    return outputs


def closed(part: Partition, log: list[Record]) -> list[Output]:
    """The outputs of an empty record so late that every window has closed."""
    return part.fold(part.last + 1, log[-1].timestamp_ms + 400_000_000, b"")


def test_a_record_that_is_none_keeps_nobody_from_a_reset():
    street = Street()
    street.says("th-1", "temperature", celsius=20.0)
    street.ticks(15)
    good = [one.value for one in street.outputs if one.topic == topics.ROLLUPS]
    assert good
    bad = [b"", b"{", b'{"row":"newer"}', b'{"site":"\xff"}', b'{"x":' + b"[" * 100_000]
    found = list(readable(decode_rollup, [*bad, *good, *bad]))
    assert found == [decode_rollup(value) for value in good]


@pytest.mark.parametrize("seed", range(10))
def test_rows_of_a_log_up_to_a_state_and_its_leftovers_are_its_whole_windows(seed):
    log = City().play(random_steps(seed, 150))
    cut = Random(seed).randrange(len(log) // 2, len(log))
    part = partition()
    outputs = folded(part, log, cut)
    leftovers = list(open_windows(reloaded(written(part)), kept_of(part), []))
    assert any(isinstance(row, Rollup) for row in leftovers)
    expected = merged(rows_of(outputs + closed(part, log)))
    assert merged([*rows_of(outputs), *leftovers]) == expected


@pytest.mark.parametrize("seed", range(10))
def test_windows_that_a_killed_worker_gave_out_after_its_state_are_not_given_out_twice(seed):
    log = City().play(random_steps(seed, 150))
    cut = Random(seed).randrange(len(log) // 2, len(log))
    part = partition()
    outputs = folded(part, log, cut)
    kept = written(part)
    state = kept_of(part)
    more = closed(part, log)
    given = given_after(rows_of(outputs + more), state)
    assert list(open_windows(reloaded(kept), state, given)) == []


def test_what_a_killed_worker_closed_is_part_of_the_coarser_windows_that_it_left_open():
    street = Street()
    street.ticks(1)
    for second in range(8):
        street.says("th-1", "temperature", celsius=float(second))
        street.ticks(1)
    kept, state = written(street.part), kept_of(street.part)
    street.outputs.clear()
    street.says("th-1", "temperature", celsius=50.0)
    street.ticks(4)
    given = given_after(rows_of(street.outputs), state)
    assert [(row.window, row.start % 60_000) for row in given if isinstance(row, Rollup)] == [
        ("10s", 0)
    ]
    left = list(open_windows(reloaded(kept), state, given))
    rows = [row for row in left if isinstance(row, Rollup)]
    assert [(row.window, row.count, row.fields["celsius"][3]) for row in rows] == [
        ("1m", 9, 50.0), ("1h", 9, 50.0),
    ]  # fmt: skip
    assert [row.window for row in left if isinstance(row, Throughput)] == ["1m", "1h"]


def test_leftovers_are_the_same_however_often_they_are_taken():
    log = City().play(random_steps(3, 150))
    part = partition()
    folded(part, log, len(log))
    kept, state = written(part), kept_of(part)
    first = list(open_windows(reloaded(kept), state, []))
    again = list(open_windows(reloaded(kept), state, given_after(first, state)))
    assert [row for row in again if isinstance(row, Rollup)] == [
        row for row in first if isinstance(row, Rollup)
    ]


def test_only_windows_that_began_before_a_cut_are_given_out_where_the_rest_is_rebuilt():
    street = Street()
    street.ticks(58)
    street.says("th-1", "temperature", celsius=1.0, ms=57_000)
    street.ticks(3)
    street.says("th-1", "temperature", celsius=2.0)
    state = kept_of(street.part)
    before_ms = state.clock.now_ms - 1000
    rows = list(open_windows(reloaded(written(street.part)), state, [], before_ms))
    assert [(row.window, row.count) for row in rows if isinstance(row, Rollup)] == [
        ("10s", 1), ("1m", 1), ("1h", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("fence", [0, 149, 10**9])
@pytest.mark.parametrize("window_ms", [10_000, 60_000, 3_600_000])
def test_a_leftover_stands_within_its_window_and_away_from_late_rows(fence, window_ms):
    shift = leftover_shift_ns(fence, window_ms)
    assert 0 < shift < window_ms * 1_000_000
    assert shift == window_ms * 1_000_000 - 1 - fence


OZONE = value_rule("ozone-high", "air.ozone_ugm3", unit="µg/m³")
SILENT = absent_rule("air-silent", "air", 30_000)


def alarmed() -> Street:
    street = Street(RuleSet.of([OZONE, SILENT]))
    street.says("ion-1", "air", efficiency_pct=50.0, ozone_ugm3=150.0)
    street.ticks(40)
    return street


def ends_in(street: Street) -> list[Alert]:
    return [decode_alert(one.value) for one in street.part.end()]


def test_every_alert_that_is_on_is_resolved_in_words_that_name_the_reset():
    street = alarmed()
    told = street.alerts()
    ends = ends_of_alerts(ends_in(street), told, 0)
    assert set(ends) == {one.id for one in told}
    ozone = next(one for one in ends.values() if one.rule == "ozone-high")
    assert (ozone.state, ozone.ordinal, ozone.fired) == ("resolved", 1, True)
    assert ozone.summary == (
        f"what was known of ion-1 at {SITE} was reset, and rule ozone-high begins anew there; "
        "last value 150 µg/m³"
    )


def test_an_alert_that_was_told_but_not_kept_is_resolved_behind_its_last_word():
    (fired, silent) = alarmed().alerts()
    ends = ends_of_alerts([], [fired, silent], fired.at + 5)
    assert (ends[fired.id].at, ends[fired.id].ordinal) == (fired.at + 5, fired.ordinal + 1)
    assert (ends[silent.id].at, ends[silent.id].ordinal) == (silent.at, silent.ordinal + 1)


def test_an_alert_that_went_on_after_the_state_was_kept_is_resolved_behind_that():
    street = alarmed()
    kept = ends_in(street)
    newer = msgspec.structs.replace(street.alerts()[0], at=kept[0].at + 9_000, ordinal=7)
    end = ends_of_alerts(kept, [newer], kept[0].at)[newer.id]
    assert (end.at, end.ordinal) == (newer.at, 8)


def test_an_alert_that_is_told_to_be_resolved_is_not_resolved_again():
    street = alarmed()
    kept = ends_in(street)
    ends = ends_of_alerts(kept, [], 0)
    assert ends_of_alerts(kept, list(ends.values()), 0) == {}


def test_a_log_without_alerts_has_no_ends():
    assert ends_of_alerts([], [], 0) == {}
