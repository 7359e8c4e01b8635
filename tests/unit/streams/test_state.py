import msgspec
import pytest

from streams import state as states
from streams.errors import StateError
from streams.log_clock import LogClock
from streams.site import MAX_FEEDS
from streams.state import MAX_VALUE_BYTES, SiteState, State, encoded
from streams.store import STATE_BATCH_BYTES
from tests.support.folds import RULES, device_records, reloaded, taken_over, written
from tests.support.street import SITE, Street


def site(fence: int, chunks: int = 1, name: str = SITE) -> SiteState:
    clock = LogClock(now_ms=fence * 1000)
    return SiteState(
        name, fence, clock, [part for _ in range(chunks) for part in encoded([[], []])]
    )


def topic(header: int | None, *sites: SiteState) -> dict[bytes, bytes]:
    records = dict(record for one in sites for record in states.site_records(one))
    if header is not None:
        key, value = states.header_record(State(header, LogClock(now_ms=header * 1000), []))
        records[key] = value
    return records


def loaded(records: dict[bytes, bytes]) -> State:
    state = states.load(records)
    assert state is not None
    return state


def test_an_empty_topic_holds_no_state():
    assert states.load({}) is None


def test_a_first_flush_that_did_not_reach_its_header_is_no_state():
    # sites that it did not reach would lack all that came before its offset
    assert states.load(topic(None, site(7))) is None


def test_the_log_is_read_on_from_the_oldest_offset_with_the_clock_of_then():
    records = topic(20, site(10), site(30, name="gate-2"))
    state = loaded(records)
    assert (state.last, state.clock.now_ms) == (10, 10_000)
    assert {one.name: one.fence for one in state.sites} == {SITE: 10, "gate-2": 30}
    assert loaded(topic(5, site(10))).last == 5


def test_the_clock_of_a_state_is_no_sites_own():
    state = loaded(topic(20, site(10)))
    state.clock.advance(99_000)
    assert state.sites[0].clock.now_ms == 10_000


def test_a_site_with_250_devices_has_three_chunks_and_comes_back_whole():
    street = Street()
    for number in range(250):
        street.says(f"th-{number}", "temperature", celsius=number / 10)
    before = device_records(street.part)
    kept = written(street.part)
    assert sorted(kept) == [b"header", *(f"{SITE}/{chunk}".encode() for chunk in range(3))]
    part = reloaded(kept)
    assert device_records(part) == before
    assert len(before) == 250
    street.part = part
    street.ticks(12)
    assert len(street.rollups()) == 250
    assert [row.devices for row in street.throughput()] == [250]


def test_a_chunk_left_by_a_site_that_had_more_devices_is_not_taken():
    records = topic(20, site(10, chunks=3))
    records.update(topic(None, site(12, chunks=2)))
    (found,) = loaded(records).sites
    assert (found.fence, len(found.chunks)) == (12, 2)


@pytest.mark.parametrize("chunk", [0, 1])
def test_a_site_that_lacks_a_chunk_is_refused_with_what_to_do(chunk):
    records = topic(20, site(10, chunks=2))
    del records[f"{SITE}/{chunk}".encode()]
    with pytest.raises(
        StateError, match=r"'stop-1' is not whole; rebuild it .*`qala streams reset`"
    ):
        states.load(records)


def test_a_site_whose_chunks_are_of_two_flushes_is_refused():
    records = topic(20, site(10, chunks=2))
    records[f"{SITE}/1".encode()] = dict(states.site_records(site(12, chunks=2)))[b"stop-1/1"]
    with pytest.raises(StateError, match="not whole"):
        states.load(records)


def test_a_state_of_another_version_is_refused_with_what_to_do():
    records = topic(20, site(10))
    value = msgspec.msgpack.decode(records[b"stop-1/0"])
    records[b"stop-1/0"] = msgspec.msgpack.encode([states.VERSION + 1, *value[1:]])
    with pytest.raises(
        StateError, match=r"'stop-1/0' has version 6.* run the program that wrote it"
    ):
        states.load(records)


def test_a_version_of_0_is_refused():
    records = topic(20)
    value = msgspec.msgpack.decode(records[b"header"])
    records[b"header"] = msgspec.msgpack.encode([0, *value[1:]])
    with pytest.raises(StateError, match="has version 0, and this program reads versions 1 to 5"):
        states.load(records)


@pytest.mark.parametrize("value", [b"", b"\xff", b"[]", b"\x90", b"\x93\x01\x02"])
def test_a_state_record_that_cannot_be_read_is_refused_with_what_to_do(value):
    with pytest.raises(StateError, match=r"'header' cannot be read.*`qala streams reset`"):
        states.load({b"header": value})


def test_a_state_record_with_text_that_is_not_utf_8_is_refused_with_what_to_do():
    key, value = states.header_record(State(1, LogClock(), [], rules="r"))
    assert value.endswith(b"\xa1r")
    with pytest.raises(StateError, match=r"'header' cannot be read.*`qala streams reset`"):
        states.load({key: value[:-1] + b"\xff"})


@pytest.mark.parametrize("content", [7, [], [[], [[]]], [[], 7], None])
def test_a_content_that_is_none_of_its_version_is_refused_with_what_to_do(content):
    records = topic(20, site(10))
    value = msgspec.msgpack.decode(records[b"stop-1/0"])
    records[b"stop-1/0"] = msgspec.msgpack.encode([1, *value[1:5], content, *value[6:]])
    with pytest.raises(StateError, match=r"version 1 does not have.*`qala streams reset`"):
        states.load(records)


def test_a_chunk_larger_than_a_record_is_refused_by_the_name_of_its_site():
    large = SiteState(SITE, 1, LogClock(), [*encoded([[], ["x" * MAX_VALUE_BYTES]])])
    with pytest.raises(StateError, match=r"'stop-1' has a chunk of 900.* bytes.*split the site"):
        states.site_records(large)


def test_a_chunk_of_devices_with_very_many_series_is_split_and_comes_back_whole():
    street = Street()
    for desk in range(90):
        ticket = {"ticket": "t", "event": "called", "ms": 0}
        services = [f"service-{number:056}" for number in range(100)]
        street.send(
            *(street.line(f"d-{desk}", "ticket", service=name, **ticket) for name in services)
        )
    before = device_records(street.part)
    kept = written(street.part)
    assert len(kept) > 2
    assert max(map(len, kept.values())) < MAX_VALUE_BYTES
    street.part = reloaded(kept)
    assert device_records(street.part) == before
    street.ticks(12)
    assert len(street.rollups()) == 9000
    assert [row.devices for row in street.throughput()] == [90]


def test_a_site_of_5000_devices_stays_within_kafkas_record_and_comes_back_whole():
    street = Street(RULES)
    for number in range(5000):
        street.says(f"ion-{number}", "air", efficiency_pct=99.9, ozone_ugm3=150.0, ions_cm3=1e6)
    before = device_records(street.part)
    kept = written(street.part)
    assert len(before) == 5000
    assert max(map(len, kept.values())) < MAX_VALUE_BYTES
    assert sum(map(len, kept.values())) < STATE_BATCH_BYTES
    part, outputs = taken_over(kept)
    assert outputs == []
    assert device_records(part) == before
    assert written(part) == kept


def test_a_state_without_sites_carries_the_clock():
    state = loaded(topic(20))
    assert (state.last, state.clock.now_ms, state.sites) == (20, 20_000, [])


def test_a_device_has_at_most_so_many_series_and_they_are_forgotten_when_their_windows_close():
    street = Street()
    for number in range(MAX_FEEDS + 50):
        service = f"service-{number}"
        street.says("desk-1", "ticket", ticket="t-1", service=service, event="opened")
    counts = street.part.counts
    assert (counts.accepted, counts.rejected) == (MAX_FEEDS, 50)
    street.part = reloaded(written(street.part))
    street.ticks(2 * 3600)
    assert sum(row.count for row in street.rollups() if row.window == "1h") == MAX_FEEDS
    assert street.part.sites[SITE].devices["desk-1"].feeds == []
    street.says("desk-1", "ticket", ticket="t-1", service="service-new", event="opened")
    street.ticks(12)
    assert street.rollups()[-1].tags["service"] == "service-new"
