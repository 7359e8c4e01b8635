"""Whether a kept state belongs to the log, and where the fold goes on."""

import msgspec
import pytest
from structlog.testing import capture_logs

from streams import state as states
from streams.errors import StateError
from streams.log_clock import LogClock
from streams.state import Mark, State
from streams.takeover import LogView, take_up
from tests.support.folds import NO_RULES, partition, written
from tests.support.street import Street

MARK = Mark.of(20, 20_000, b"what the log held")


def state(mark: Mark | None = MARK) -> State:
    return State(20, LogClock(now_ms=20_000), [], mark=mark)


def test_a_state_whose_record_is_still_in_the_log_is_gone_on_from():
    part = partition(NO_RULES)
    take_up(part, state(), LogView(5, 40, MARK))
    assert (part.last, part.begun_ms) == (20, 0)


@pytest.mark.parametrize("other", [
    msgspec.structs.replace(MARK, timestamp_ms=20_001), msgspec.structs.replace(MARK, crc=1),
])  # fmt: skip
def test_a_topic_made_again_that_is_longer_than_before_is_told_by_its_record(other):
    with pytest.raises(StateError, match=r"another record at offset 20 .*reset --partition 0`"):
        take_up(partition(NO_RULES), state(), LogView(0, 4000, other))


@pytest.mark.parametrize("end", [0, 7, 20])
def test_an_offset_beyond_the_logs_end_is_refused(end):
    with pytest.raises(StateError, match=r"ends before offset .*at 20: .*`qala streams reset"):
        take_up(partition(NO_RULES), state(), LogView(0, end))


def test_a_record_that_retention_took_cannot_be_compared_and_is_trusted():
    part = partition(NO_RULES)
    with capture_logs() as logs:
        take_up(part, state(), LogView(31, 40))
    assert part.last == 30
    assert [one["records"] for one in logs] == [10]


def test_a_state_of_a_program_that_kept_no_mark_is_gone_on_from():
    part = partition(NO_RULES)
    take_up(part, state(None), LogView(0, 40))
    assert part.last == 20


def test_the_mark_of_a_state_is_of_the_last_record_folded():
    street = Street()
    street.says("th-1", "temperature", celsius=1.0)
    street.ticks(1)
    kept = states.load(written(street.part))
    assert kept is not None
    assert kept.mark == Mark(street.part.last, street.part.clock.now_ms, 0)


def test_without_a_state_a_whole_log_is_folded_from_its_first_record():
    part = partition(NO_RULES)
    take_up(part, None, LogView(0, 40))
    assert (part.last, part.begun_ms) == (-1, 0)


def test_windows_that_began_before_a_cut_log_are_not_given_out_again():
    whole, cut = Street(), Street()
    take_up(cut.part, None, LogView(25, 40))
    for street in (whole, cut):
        street.ms = 4_000
        for _ in range(100):
            street.says("th-1", "temperature", celsius=1.0)
            street.ticks(1)
    first = whole.rollups()[0].start
    assert [row.start - first for row in whole.rollups() if row.window == "10s"] == [
        10_000 * number for number in range(10)
    ]
    rows = [row for row in whole.rollups() if row.start >= first + 10_000]
    assert cut.rollups() == [row for row in rows if row.window == "10s"]
    assert [row.start for row in cut.throughput()] == [
        row.start for row in whole.throughput() if row.start >= first + 10_000
    ]
    assert [row.window for row in whole.rollups() if row.window == "1m"] == ["1m"]


def test_a_window_of_which_a_reading_may_have_come_before_the_cut_is_not_given_out():
    # a device's clock may be 5 s ahead: a reading before the cut may belong to the next window
    cut = Street()
    take_up(cut.part, None, LogView(25, 40))
    cut.ms = 6_000
    for _ in range(30):
        cut.says("th-1", "temperature", celsius=1.0)
        cut.ticks(1)
    starts = [row.start % 60_000 for row in cut.rollups()]
    assert starts == [20_000]


def test_what_is_not_given_out_again_is_kept_in_the_state():
    cut = Street()
    take_up(cut.part, None, LogView(25, 40))
    cut.ticks(3)
    kept = written(cut.part)
    loaded = states.load(kept)
    assert loaded is not None
    assert loaded.begun_ms == cut.part.begun_ms > 0
