import pytest

from tests.support.cities import START_MS
from tests.support.folds import reloaded, written
from tests.support.street import SITE, Street


@pytest.fixture
def street() -> Street:
    return Street()


def talk(street: Street, times: int, every_s: int, device: str = "th-1") -> None:
    for _ in range(times):
        street.ticks(every_s)
        street.says(device, "temperature", celsius=20.0)


def transitions(street: Street, device: str = "th-1") -> list[tuple[str, int]]:
    found = {
        (record.since - START_MS, record.state)
        for record in street.devices()
        if record.device == device
    }
    return [(state, since // 1000) for since, state in sorted(found)]


def test_a_device_is_stale_after_three_of_its_usual_intervals(street):
    talk(street, 5, every_s=20)
    street.ticks(59)
    assert street.state("th-1") == "online"
    street.ticks(1)
    assert street.state("th-1") == "stale"
    assert transitions(street) == [("online", 20), ("stale", 160)]


def test_before_four_readings_a_device_is_stale_after_a_quarter_of_an_hour(street):
    talk(street, 3, every_s=20)
    street.ticks(900 - 1)
    assert street.state("th-1") == "online"
    street.ticks(1)
    assert street.state("th-1") == "stale"
    assert street.record("th-1").interval_ms is None


def test_a_device_that_only_gave_its_status_is_stale_after_a_quarter_of_an_hour(street):
    street.status("th-1", "online")
    street.ticks(900)
    assert street.state("th-1") == "stale"


def test_a_device_whose_habit_becomes_known_is_stale_by_it_at_once(street):
    talk(street, 4, every_s=20)
    street.ticks(60)
    assert street.state("th-1") == "stale"


def test_the_usual_interval_is_at_least_ten_seconds(street):
    talk(street, 30, every_s=1)
    street.ticks(29)
    assert street.state("th-1") == "online"
    street.ticks(1)
    assert street.state("th-1") == "stale"


def test_the_usual_interval_is_at_most_an_hour(street):
    for _ in range(4):
        street.ticks(4800)
        street.says("th-1", "temperature", celsius=20.0)
    assert street.record("th-1").interval_ms == 3_600_000


def test_the_usual_interval_is_the_median_of_the_last_sixteen_gaps(street):
    talk(street, 10, every_s=100)
    talk(street, 8, every_s=30)
    assert street.record("th-1").interval_ms == 65_000
    talk(street, 1, every_s=30)
    assert street.record("th-1").interval_ms == 30_000


def test_a_device_that_has_become_quicker_is_stale_by_its_new_interval(street):
    talk(street, 4, every_s=100)
    talk(street, 16, every_s=10)
    street.ticks(29)
    assert street.state("th-1") == "online"
    street.ticks(1)
    assert street.state("th-1") == "stale"


def test_an_array_of_readings_is_one_word_of_the_device(street):
    for _ in range(3):
        street.ticks(20)
        street.send(*(street.line("th-1", "temperature", celsius=20.0) for _ in range(50)))
    assert street.record("th-1").interval_ms is None
    talk(street, 1, every_s=20)
    assert street.record("th-1").interval_ms == 20_000


def test_an_outage_of_ours_is_neither_a_gap_nor_a_silence(street):
    talk(street, 5, every_s=20)
    street.outage(3000)
    street.ticks(59)
    assert street.state("th-1") == "online"
    street.says("th-1", "temperature", celsius=20.0)
    assert street.record("th-1").interval_ms == 20_000
    street.ticks(60)
    assert street.state("th-1") == "stale"


def test_any_reading_of_a_stale_device_shows_it_online_again(street):
    talk(street, 5, every_s=20)
    street.ticks(61)
    street.says("th-1", "temperature", ms=1000, celsius=20.0)
    assert transitions(street)[-2:] == [("stale", 160), ("online", 161)]


def test_a_mended_letter_shows_no_device_online(street):
    talk(street, 5, every_s=20)
    street.ticks(50)
    street.replays(street.line("th-1", "temperature", celsius=20.0))
    street.ticks(9)
    assert street.state("th-1") == "online"
    street.ticks(1)
    assert street.state("th-1") == "stale"
    street.replays(street.line("th-1", "temperature", celsius=20.0))
    street.replays(street.line("th-2", "temperature", celsius=20.0))
    street.ticks(3600)
    assert street.state("th-1") == "stale"
    assert street.record("th-1").readings == 7
    assert (street.state("th-2"), street.record("th-2").readings) == ("never_seen", 1)


def test_a_duplicate_does_not_show_a_stale_device_online_again(street):
    talk(street, 5, every_s=20)
    street.ticks(60)
    street.says("th-1", "temperature", ms=100_000, seq=4, celsius=20.0)
    assert street.state("th-1") == "stale"


def test_a_status_takes_a_device_offline_and_online(street):
    street.status("th-1", "online", ts=1)
    street.ticks(10)
    street.status("th-1", "offline", ts=1)
    street.ticks(10)
    street.status("th-1", "online", ts=2)
    assert transitions(street) == [("online", 0), ("offline", 10), ("online", 20)]


def test_an_offline_device_does_not_become_stale(street):
    talk(street, 5, every_s=20)
    street.status("th-1", "offline")
    street.ticks(500)
    assert street.state("th-1") == "offline"


def test_the_status_of_a_lower_boot_is_ignored(street):
    street.status("th-1", "online", boot=7, ts=1)
    street.status("th-1", "offline", boot=6, ts=2)
    assert street.state("th-1") == "online"


def test_the_boot_of_a_reading_counts_for_statuses_even_within_a_second_of_another(street):
    street.says("th-1", "temperature", boot=6, celsius=20.0)
    street.says("th-1", "temperature", boot=7, seq=0, celsius=20.0)
    street.status("th-1", "offline", boot=6)
    assert street.state("th-1") == "online"
    assert street.record("th-1").boot == 7


def test_after_a_reset_of_its_counters_a_devices_lower_boot_counts(street):
    street.says("th-1", "temperature", boot=1, seq=0, celsius=20.0)
    street.ticks(1)
    street.says("th-1", "temperature", boot=9, seq=0, celsius=20.0)
    street.ticks(1)
    street.says("th-1", "temperature", boot=1, seq=0, celsius=20.0)
    street.status("th-1", "offline", boot=1)
    record = street.record("th-1")
    assert (record.state, record.generation, record.boot) == ("offline", 1, 1)


def test_a_repeated_status_changes_nothing(street):
    talk(street, 5, every_s=20)
    street.status("th-1", "online", ts=5)
    street.ticks(60)
    assert street.state("th-1") == "stale"
    before = transitions(street)
    street.status("th-1", "online", ts=5)  # a bridge subscribed again
    assert transitions(street) == before


def test_a_repeated_last_will_does_not_take_a_device_offline_that_talks_again(street):
    talk(street, 2, every_s=20)
    street.status("th-1", "offline")
    talk(street, 2, every_s=20)
    street.status("th-1", "offline")
    assert street.state("th-1") == "online"


def test_what_a_device_said_before_its_last_will_does_not_revive_it(street):
    talk(street, 4, every_s=20)
    street.status("th-1", "offline")
    street.ticks(5)
    street.says("th-1", "temperature", ms=79_000, celsius=20.0)
    assert street.state("th-1") == "offline"
    street.says("th-1", "temperature", ms=84_000, celsius=20.0)
    assert transitions(street)[-1] == ("online", 85)


def test_an_expected_device_is_never_seen_until_it_is_heard():
    street = Street(expected=[(SITE, "thermometer", "th-1", 20_000)])
    street.ticks(100)
    assert street.state("th-1") == "never_seen"
    street.says("th-1", "temperature", celsius=20.0)
    assert transitions(street) == [("never_seen", 1), ("online", 100)]


def test_an_expected_device_is_stale_by_the_interval_that_is_expected_of_it():
    street = Street(expected=[(SITE, "thermometer", "th-1", 20_000)])
    talk(street, 1, every_s=20)
    street.ticks(60)
    assert street.state("th-1") == "stale"


def test_the_speed_of_a_simulated_clock_multiplies_the_least_interval(street):
    street.ticks(1, speed=60.0)
    talk(street, 10, every_s=1)
    street.ticks(1799)
    assert street.state("th-1") == "online"
    street.ticks(1)
    assert street.state("th-1") == "stale"


def test_when_the_clock_slows_down_devices_are_stale_sooner(street):
    street.ticks(1, speed=60.0)
    talk(street, 10, every_s=1)
    street.ticks(1, speed=1.0)
    street.ticks(29)
    assert street.state("th-1") == "stale"


def test_a_restart_leaves_presence_as_it_was(street):
    talk(street, 7, every_s=17)
    street.status("th-1", "online", boot=3, ts=9)
    before = street.record("th-1")
    street.part = reloaded(written(street.part))
    assert street.record("th-1") == before
    street.ticks(60)
    assert transitions(street)[-1] == ("stale", 170)


def test_a_wrong_clock_is_shown_while_it_lasts(street):
    street.says("th-1", "temperature", ms=10**9, at=0, celsius=20.0)
    assert street.record("th-1").wrong_clock
    street.says("th-1", "temperature", celsius=20.0)
    assert not street.record("th-1").wrong_clock


def test_each_record_of_a_device_says_when_it_was_told(street):
    talk(street, 3, every_s=20)
    street.ticks(60)
    assert [(one.at - START_MS, one.readings) for one in street.devices()] == [
        (20_000, 0),
        (60_000, 2),
        (120_000, 3),
    ]


def test_a_device_that_does_not_change_is_told_again_each_whole_hour(street):
    talk(street, 3, every_s=20)
    street.ticks(2 * 3600)
    late = [one.at - START_MS for one in street.devices()][-2:]
    assert late == [3_600_000, 7_200_000]
    assert len(street.devices()) == 6  # one says that it is stale


def test_a_device_that_sends_is_told_each_whole_minute(street):
    talk(street, 60, every_s=5)
    assert [one.at - START_MS for one in street.devices()] == [
        5_000, 60_000, 120_000, 180_000, 240_000, 300_000,
    ]  # fmt: skip


def test_readings_whose_window_had_closed_are_counted_by_device_over_a_restart(street):
    street.says("th-1", "temperature", celsius=20.0)
    street.ticks(20)
    street.says("th-1", "temperature", celsius=20.0, ms=1000)
    street.says("th-2", "temperature", celsius=20.0)
    assert [street.record(name).late for name in ("th-1", "th-2")] == [1, 0]
    street.part = reloaded(written(street.part))
    street.says("th-1", "temperature", celsius=20.0, ms=2000)
    assert street.record("th-1").late == 2
