"""The independent recomputation on cases made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.ledger import Header, Ledger, LedgerWriter
from infra.simulator.message import Outgoing
from tests.chaos.recompute.names import Names
from tests.support.recompute import (
    Difference,
    Distinct,
    Series,
    Windows,
    differences,
    distinct_readings,
    recompute,
)

TOPIC = "qala/v1/stop-07/thermometer/thermo-01/telemetry"
SERIES = Series("temperature", "stop-07", "thermo-01", ("ambient",))


def temperature(ts: int, seq: int, celsius: float = 20.0, **rest) -> dict:
    return {"type": "temperature", "ts": ts, "boot": 7, "seq": seq, "celsius": celsius, **rest}


def ledger_of(folder: Path, *messages: dict | list, meant: str = "valid") -> Ledger:
    writer = LedgerWriter(folder / "l.ndjson")
    writer.begin(Header(seed=1, settings={}, clock="real", start_ms=0, boot=7))
    for body in messages:
        count = len(body) if isinstance(body, list) else 1
        writer.append(Outgoing(0, TOPIC, json.dumps(body).encode(), meant, readings=count), 0)
    writer.end(1.0)
    return Ledger(folder / "l.ndjson")


def windows_of(ledger: Ledger, window: str) -> Windows:
    return recompute(distinct_readings(ledger), window, lambda one: one.reading["ts"])


def test_readings_fall_into_windows_aligned_to_the_epoch_by_event_time(tmp_path):
    ledger = ledger_of(
        tmp_path,
        temperature(9_999, 0, 1.0),
        temperature(10_000, 1, 2.5, humidity_pct=40),
        [temperature(19_999, 2, 4), temperature(65_000, 3, -1.0)],
    )
    windows = windows_of(ledger, "10s")
    assert {key[1]: held.count for key, held in windows.items()} == {0: 1, 10_000: 2, 60_000: 1}
    celsius = windows[SERIES, 10_000].fields["celsius"]
    assert (celsius.count, celsius.total, celsius.low, celsius.high) == (2, 6.5, 2.5, 4.0)
    humidity = windows[SERIES, 10_000].fields["humidity_pct"]
    assert (humidity.count, humidity.total) == (1, 40.0)
    assert windows_of(ledger, "1m")[SERIES, 0].count == 3
    assert windows_of(ledger, "1h")[SERIES, 0].fields["celsius"].low == -1.0


def test_tags_are_part_of_the_series(tmp_path):
    ledger = ledger_of(tmp_path, temperature(1, 0), temperature(2, 1, subject="water"))
    tags = {key[0].tags for key in windows_of(ledger, "10s")}
    assert tags == {("ambient",), ("water",)}


def test_booleans_are_summed_as_zero_and_one():
    reading = {"type": "audio", "ts": 5, "boot": 1, "seq": 0, "volume_pct": 60, "playing": True}
    one = Distinct("stop-07", "speaker", "speaker-01", reading, believed=True)
    other = one._replace(reading=reading | {"playing": False, "seq": 1})
    (held,) = recompute([one, other], "10s", lambda _: 5).values()
    playing = held.fields["playing"]
    assert (playing.count, playing.total, playing.low, playing.high) == (2, 1.0, 0.0, 1.0)


def test_a_known_name_is_a_duplicate_also_when_it_comes_out_of_order(tmp_path):
    first, second = temperature(1000, 0), temperature(2000, 1)
    ledger = ledger_of(tmp_path, first, second, first, second, temperature(1500, 0))
    assert [one.reading["seq"] for one in distinct_readings(ledger)] == [0, 1]


def test_a_known_name_with_the_newest_time_begins_a_new_generation(tmp_path):
    ledger = ledger_of(
        tmp_path,
        *(temperature(1000 + seq, seq) for seq in range(3)),
        *(temperature(9000 + seq, seq) for seq in range(3)),
        temperature(9001, 1),
    )
    assert [one.reading["ts"] for one in distinct_readings(ledger)] == [
        1000, 1001, 1002, 9000, 9001, 9002,
    ]  # fmt: skip


def ledger_of_clocks(folder: Path, *sent: tuple[int, int, bool]) -> Ledger:
    """Of (ts, seq, believed)."""
    writer = LedgerWriter(folder / "l.ndjson")
    writer.begin(Header(seed=1, settings={}, clock="real", start_ms=0, boot=7))
    for ts, seq, believed in sent:
        meant = "valid" if believed else "wrong_clock"
        writer.append(Outgoing(0, TOPIC, json.dumps(temperature(ts, seq)).encode(), meant), 0)
    writer.end(1.0)
    return Ledger(folder / "l.ndjson")


def test_times_of_a_wrong_clock_do_not_hide_a_reset(tmp_path):
    ledger = ledger_of_clocks(tmp_path, (1000, 0, True), (10**9, 1, False), (2000, 0, True))
    assert [one.believed for one in distinct_readings(ledger)] == [True, False, True]


def test_after_a_clock_was_put_right_all_is_new_and_what_comes_again_is_not(tmp_path):
    ahead = [(3_600_000 + second, second, False) for second in range(50)]
    since = [(3_600_050 + seq, seq, False) for seq in range(5)]
    right = [(55 + seq, seq, True) for seq in range(5, 50)]
    sent = [*ahead, *since, *right]
    again = [*right, (3_600_030, 30, True), (3_600_049, 49, False)]
    assert len(list(distinct_readings(ledger_of_clocks(tmp_path, *sent, *again)))) == len(sent)


seqs = st.integers(0, 9) | st.sampled_from([100, 109, 110])
times = st.integers(0, 40) | st.integers(86_399_980, 86_400_040)


@settings(max_examples=60)
@given(st.lists(st.tuples(times, seqs, st.booleans()), max_size=60))
def test_it_takes_what_the_recomputation_from_the_log_takes(tmp_path_factory, sent):
    names = Names()
    taken = [
        (ts, seq, believed)
        for ts, seq, believed in sent
        if names.judge(7, seq, ts, believed=believed) != "duplicate"
    ]
    ledger = ledger_of_clocks(tmp_path_factory.mktemp("l"), *sent)
    found = [
        (one.reading["ts"], one.reading["seq"], one.believed) for one in distinct_readings(ledger)
    ]
    assert found == taken


def test_equal_windows_show_no_difference(tmp_path):
    ledger = ledger_of(tmp_path, temperature(1, 0, 0.1), temperature(2, 1, 0.2))
    theirs = windows_of(ledger, "10s")
    theirs[SERIES, 0].fields["celsius"].total = 0.3  # summed in another order
    assert differences("10s", windows_of(ledger, "10s"), theirs) == []


@pytest.mark.parametrize(
    "part, value", [("count", 3), ("low", 0.05), ("high", 0.25), ("total", 0.300001)]
)
def test_every_part_of_a_field_that_differs_is_named(tmp_path, part, value):
    ledger = ledger_of(tmp_path, temperature(1, 0, 0.1), temperature(2, 1, 0.2))
    theirs = windows_of(ledger, "10s")
    setattr(theirs[SERIES, 0].fields["celsius"], part, value)
    (found,) = differences("10s", windows_of(ledger, "10s"), theirs)
    assert found.stored == value
    assert "celsius" in str(found)
    assert "thermo-01" in str(found)


def test_windows_and_fields_that_only_one_side_has_are_named(tmp_path):
    mine = windows_of(ledger_of(tmp_path, temperature(1, 0, humidity_pct=5)), "10s")
    theirs = windows_of(ledger_of(tmp_path, temperature(1, 0), temperature(10_001, 1)), "10s")
    found = differences("10s", mine, theirs)
    assert Difference("10s", (SERIES, 10_000), "the window's count", None, 1) in found
    assert Difference("10s", (SERIES, 0), "humidity_pct count", 1, 0) in found
    assert differences("10s", theirs, {})[0].stored is None
