"""The fold of one record: bad lines, hostile headers, fences, flushes, counts."""

import hashlib

import pytest

from schemas.deadletters import EXPLAINED, MAX_LETTER_BYTES, Reason
from schemas.envelope import envelope_headers
from schemas.topics import ALERTS, DEVICES, ROLLUPS
from streams.partition import FLUSH_AFTER_MS, SITE_AT_LEAST_MS
from streams.site import Site
from tests.support.cities import START_MS, City, random_steps
from tests.support.folds import is_progress, partition, quiet_run, reloaded, written
from tests.support.street import SITE, Street


@pytest.fixture
def street() -> Street:
    return Street()


def good(street: Street, device: str = "th-1") -> bytes:
    return street.line(device, "temperature", celsius=20.0)


BAD_LINES = {
    "not JSON": b"nonsense",
    "cut": b'{"site":"stop-1","kind":"thermo',
    "not UTF-8": b'{"site":"\xff\xfe","kind":"thermometer","device":"d","rx":1}',
    "an array": b"[]",
    "nested deeper than a parser follows": b"[" * 100_000,
    "of an unknown type": b'{"site":"s","kind":"desk","device":"d","rx":1,"reading":{"type":"x"}}',
    "two on one line": b'{"site":"s","kind":"k","device":"d","rx":1} {}',
    "empty": b"",
    "blank": b"  \r",
}


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES.keys())
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_bad_line_is_one_dead_letter_and_harms_no_other(street, bad, place):
    lines = [good(street), good(street)]
    lines.insert(place, bad + b"\n")
    street.send(*lines)
    street.ticks(12)
    (letter,) = street.dead_letters()
    assert letter.value == bad
    headers = dict(letter.headers)
    assert headers["reason"] == Reason.NOT_FOLDED.encode()
    assert headers["detail"] == EXPLAINED[Reason.NOT_FOLDED].encode()
    assert [row.count for row in street.rollups()] == [2]
    counts = street.part.counts
    assert (counts.accepted, counts.rejected, counts.lines) == (2, 1, 3)


@pytest.mark.parametrize("value", [b"\n", b"\n\n", b" ", b"\r\n", b"\x00"])
def test_an_envelope_of_nothing_but_blank_does_not_stop_the_log(street, value):
    street.fold(value)
    street.send(good(street))
    assert street.part.counts.accepted == 1


def test_a_line_whose_fold_raises_is_one_dead_letter_and_harms_no_other(street, monkeypatch):
    hear = Site.hear

    def hear_unless_cursed(self, device, *given):
        if device.id == "cursed":
            raise RuntimeError("no")
        hear(self, device, *given)

    monkeypatch.setattr(Site, "hear", hear_unless_cursed)
    cursed = good(street, "cursed")
    street.send(good(street), cursed, good(street, "th-2"))
    assert [letter.value + b"\n" for letter in street.dead_letters()] == [cursed]
    counts = street.part.counts
    assert (counts.accepted, counts.rejected, counts.lines) == (2, 1, 3)


def test_neither_the_line_nor_the_errors_text_is_logged(street, monkeypatch, capsys):
    def quoting(*_):
        raise RuntimeError("person-0815")

    monkeypatch.setattr(Site, "hear", quoting)
    street.says("cam-1", "passage", person="person-0815", direction="in")
    told = capsys.readouterr()
    assert "could not be folded" in told.out + told.err
    assert "person-0815" not in told.out + told.err


def test_a_dead_letter_that_no_record_could_hold_is_cut_and_says_how_long_it_was(street):
    bad = b"x" * (MAX_LETTER_BYTES + 1)
    street.fold(bad)
    (letter,) = street.dead_letters()
    assert letter.value == bad[:-1]
    headers = dict(letter.headers)
    assert headers["size"] == b"%d" % len(bad)
    assert headers["sha256"] == hashlib.sha256(bad).hexdigest().encode()


@pytest.mark.parametrize(
    "speed", [b"nan", b"inf", b"-1", b"0", b"", b"fast", b"\xff", b"1e308", b"1e-320", b"60;"]
)
def test_a_speed_that_makes_no_sense_is_not_believed(street, speed):
    street.ticks(1)
    street.ms += 1000
    street.fold(b"", [("bridge", b"b"), ("speed", speed)])
    assert street.part.clock.speed == 1.0


def test_every_line_is_counted_once():
    for seed in range(20):
        part, _ = quiet_run(City().play(random_steps(seed, 150)))
        counts = part.counts
        others = counts.statuses + counts.replies + counts.controls
        assert counts.lines == counts.accepted + counts.duplicates + counts.rejected + others


def test_a_site_takes_no_record_twice(street):
    street.send(good(street))
    kept = written(street.part)
    street.part = reloaded(kept)
    street.part.last = -1  # the log is read again from further back, as for an older site
    street.part.fold(0, 0, good(street))
    assert (street.part.counts.replayed, street.part.counts.accepted) == (1, 0)


def test_a_tick_or_an_empty_record_moves_the_clock_only(street):
    assert street.part.fold(0, 1000, None) == []
    assert street.part.fold(1, 1999, b"") == []
    assert (street.part.clock.now_ms, street.part.last) == (1999, 1)


def test_progress_is_told_at_the_first_record_behind_every_two_seconds(street):
    for ms in (1000, 3999, 4000, 4001, 4500, 5999, 11_000):
        street.ms = ms
        street.fold(b"")
    clocks = [one.clock - START_MS for one in street.progress()]
    assert clocks == [1000, 3999, 4000, 11_000]
    assert {(one.partition, one.partitions, one.speed) for one in street.progress()} == {
        (0, 1, None)
    }


def test_progress_stands_behind_everything_that_its_record_gave():
    topics_beside: set[str] = set()
    for seed in range(10):
        part = partition()
        for offset, record in enumerate(City().play(random_steps(seed, 200))):
            given = part.fold(offset, record.timestamp_ms, record.value, record.headers)
            found = [one for one in given if one.topic == ROLLUPS and is_progress(one.value)]
            assert found in ([], given[-1:])
            topics_beside |= {one.topic for one in given if found}
    assert topics_beside >= {ROLLUPS, ALERTS, DEVICES}


def test_progress_counts_what_the_worker_did_since_it_took_the_partition(street):
    line = good(street)
    street.send(line, line, b"nonsense\n")
    street.ticks(15)
    last = street.progress()[-1]
    assert (last.lines, last.accepted, last.duplicates, last.rejected) == (3, 1, 1, 1)
    assert last.rollups == 2
    assert last.records == 15  # the last record only goes over no boundary
    street.part = reloaded(written(street.part))
    street.ticks(2)
    assert street.progress()[-1].accepted == 0


def test_progress_on_a_simulated_clock_is_told_as_often_in_real_time(street):
    street.ticks(1, speed=60)
    street.ms += 120_000
    street.fold(b"", envelope_headers("test", 0, 60))
    street.ms += 60_000
    street.fold(b"", envelope_headers("test", 0, 60))
    told = street.progress()
    assert [(one.clock - START_MS, one.speed) for one in told[-1:]] == [(121_000, 60.0)]
    assert len(told) == 2


def test_readings_do_not_make_progress_more_often(street):
    for _ in range(50):
        street.ms += 100
        street.send(good(street), good(street))
    assert len(street.progress()) == 3


def test_a_flush_is_due_every_five_seconds_of_log_time(street):
    street.ticks(1)
    street.part.snapshot()
    street.ticks(4)
    assert not street.part.due()
    street.ticks(1)
    assert street.part.due()
    assert FLUSH_AFTER_MS == 5000
    street.part.snapshot()
    assert not street.part.due()


def test_a_flush_holds_the_sites_that_changed_and_every_site_once_a_minute(street):
    street.send(good(street), street.line("th-1", "temperature", site="gate-2", celsius=20.0))
    street.ticks(SITE_AT_LEAST_MS // 1000 + 15)
    street.part.snapshot()
    street.send(good(street))
    assert [site.name for site in street.part.snapshot().sites] == [SITE]
    street.ticks(1)
    assert street.part.snapshot().sites == []
    for site in street.part.sites.values():
        site.changed = False
    street.ms += SITE_AT_LEAST_MS
    street.part.clock.now_ms += SITE_AT_LEAST_MS
    assert {site.name for site in street.part.snapshot().sites} == {SITE, "gate-2"}


def test_a_snapshot_is_of_its_own_offset_though_the_fold_goes_on(street):
    for _ in range(5):
        street.send(good(street))
    state = street.part.snapshot()
    before = [bytes(chunk) for site in state.sites for chunk in site.chunks]
    for _ in range(40):
        street.send(good(street))
        street.ticks(1)
    assert [bytes(chunk) for site in state.sites for chunk in site.chunks] == before


def test_a_site_of_another_partition_is_not_expected_here():
    street = Street(expected=[(SITE, "desk", "d-1", None)])
    street.ticks(1)
    assert street.state("d-1") == "never_seen"
    assert partition(expected=[(SITE, "desk", "d-1", None)]).sites == {}
