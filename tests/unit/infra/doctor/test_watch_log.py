from __future__ import annotations

from types import SimpleNamespace

from infra.doctor.watch_log import BridgeHeard, _Watch
from schemas.envelope import envelope_headers, line_bytes, line_head

READING = b'{"type":"temperature","ts":1,"boot":1,"seq":0,"celsius":20.5}'


def record(bridge: str, at_ms: int, *, rx_ms: int | None = None, speed: float | None = None):
    head = line_head("hall-1", "thermometer", "t-1")
    value = b"" if rx_ms is None else line_bytes(head, rx_ms * 1000, b"reading", READING)
    headers = envelope_headers(bridge, 0 if rx_ms is None else 1, speed)
    return SimpleNamespace(timestamp=at_ms, headers=headers, value=value)


def test_a_bridges_silence_is_counted_from_the_newest_record_of_all():
    watch = _Watch()
    for bridge, at_ms in (("a", 1000), ("b", 1500), ("a", 13_000)):
        watch.note(record(bridge, at_ms))
    heard = watch.result().bridges
    assert [(one.id, one.quiet_ms) for one in heard] == [("a", 0), ("b", 11_500)]
    assert not watch.result().moving


def test_on_a_simulated_clock_silence_is_counted_in_real_time():
    watch = _Watch()
    watch.note(record("a", 0, speed=60.0))
    watch.arrives(record("b", 30_000, speed=60.0), 5)
    seen = watch.result()
    assert [one.quiet_ms for one in seen.bridges] == [500, 0]
    assert (seen.simulated, seen.clock_ms, seen.moving) == (True, None, True)


def test_a_speed_that_is_no_number_is_not_believed():
    watch = _Watch()
    odd = record("a", 0)
    odd.headers = [*odd.headers, ("speed", b"quick")]
    watch.note(odd)
    assert not watch.result().simulated


def test_the_quickest_record_tells_kafkas_clock():
    watch = _Watch()
    for at_ms, now_ms in ((1000, 1900), (2000, 2040), (3000, 3500)):
        watch.arrives(record("a", at_ms), now_ms)
    assert watch.result().clock_ms == -40


def test_a_bridges_clock_is_seen_by_the_newest_of_its_receive_times():
    watch = _Watch()
    watch.note(record("a", 10_000, rx_ms=9_900))
    watch.note(record("a", 20_000, rx_ms=25_000))
    watch.note(record("a", 30_000))
    watch.note(record("b", 30_000))
    assert watch.result().bridges == (
        BridgeHeard(id="a", quiet_ms=0, ahead_ms=5000),
        BridgeHeard(id="b", quiet_ms=0, ahead_ms=None),
    )


def test_receive_times_of_more_than_a_minute_ago_tell_nothing_of_a_clock():
    watch = _Watch()
    watch.note(record("a", 10_000, rx_ms=19_000))  # before it was mended
    watch.note(record("a", 70_001, rx_ms=70_000))
    assert [one.ahead_ms for one in watch.result().bridges] == [-1]
    watch.note(record("a", 140_000))
    assert [one.ahead_ms for one in watch.result().bridges] == [None]


def test_partitions_are_read_in_any_order():
    watch = _Watch()
    watch.note(record("a", 20_000, rx_ms=19_900))
    watch.note(record("a", 5_000))
    assert watch.result().bridges == (BridgeHeard(id="a", quiet_ms=0, ahead_ms=-100),)


def test_records_that_are_no_envelopes_are_passed_over():
    watch = _Watch()
    watch.note(SimpleNamespace(timestamp=1, headers=[], value=b"x"))
    watch.note(SimpleNamespace(timestamp=2, headers=[("bridge", b"a")], value=b"not json"))
    assert watch.result().bridges == (BridgeHeard(id="a", quiet_ms=0, ahead_ms=None),)
