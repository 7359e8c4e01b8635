"""Alerts as the fold gives them: values, windows, spans and silences on the log's clock."""

import pytest

from streams.rules import RuleSet
from tests.support.cities import START_MS
from tests.support.folds import absent_rule, reloaded, value_rule, written
from tests.support.street import Street

OZONE = value_rule("ozone-high", "air.ozone_ugm3", limit=100.0, clear=90.0)


def on(*rules) -> Street:
    return Street(RuleSet.of(rules))


def ozone(street: Street, *values: float, every_s: int = 1, device: str = "ion-1") -> None:
    for value in values:
        street.says(device, "air", efficiency_pct=50.0, ozone_ugm3=value)
        street.ticks(every_s)


def told(street: Street) -> list[tuple[str, int]]:
    return [(alert.state, (alert.at - START_MS) // 1000) for alert in street.alerts()]


def test_a_rule_is_silent_at_its_limit_and_fires_once_above_it():
    street = on(OZONE)
    ozone(street, 50.0, 100.0, 100.0)
    assert told(street) == []
    ozone(street, 100.1, 150.0, 101.0)
    assert told(street) == [("firing", 3)]


def test_within_its_hysteresis_an_alert_neither_resolves_nor_fires_again():
    street = on(OZONE)
    ozone(street, 101.0, 95.0, 90.1, 105.0, 99.0)
    assert told(street) == [("firing", 0)]
    ozone(street, 90.0, 95.0, 100.0)
    assert told(street) == [("firing", 0), ("resolved", 5)]


def test_an_alert_that_comes_again_is_another_one():
    street = on(OZONE)
    ozone(street, 101.0, 50.0, 101.0, 50.0)
    first, second = street.alerts()[0].id, street.alerts()[2].id
    assert [alert.id for alert in street.alerts()] == [first, first, second, second]
    assert first != second


def test_devices_have_alerts_of_their_own():
    street = on(OZONE)
    ozone(street, 101.0)
    ozone(street, 101.0, device="ion-2")
    ozone(street, 50.0)
    assert [(alert.device, alert.state) for alert in street.alerts()] == [
        ("ion-1", "firing"),
        ("ion-2", "firing"),
        ("ion-1", "resolved"),
    ]


def test_a_duplicate_changes_no_alert():
    street = on(OZONE)
    street.says("ion-1", "air", ms=0, seq=0, efficiency_pct=50.0, ozone_ugm3=150.0)
    street.says("ion-1", "air", ms=0, seq=1, efficiency_pct=50.0, ozone_ugm3=50.0)
    street.says("ion-1", "air", ms=0, seq=0, efficiency_pct=50.0, ozone_ugm3=150.0)
    assert told(street) == [("firing", 0), ("resolved", 0)]


def test_a_value_has_to_hold_for_its_span_in_event_time():
    street = on(value_rule("ozone-held", "air.ozone_ugm3", clear=100.0, for_ms=20_000))
    ozone(street, 101.0, 102.0, 99.0, every_s=5)
    assert told(street) == [("pending", 0), ("resolved", 10)]
    ozone(street, *[120.0] * 6, every_s=5)
    assert told(street)[2:] == [("pending", 15), ("firing", 35)]


def test_a_span_runs_out_by_ticks_alone():
    street = on(value_rule("ozone-held", "air.ozone_ugm3", for_ms=20_000))
    ozone(street, 150.0)
    street.ticks(20)
    assert told(street) == [("pending", 0)]
    street.ticks(1)
    assert told(street) == [("pending", 0), ("firing", 22)]


def test_a_span_does_not_count_an_outage_of_ours():
    street = on(value_rule("ozone-held", "air.ozone_ugm3", for_ms=20_000))
    ozone(street, 150.0)
    street.outage(600)
    street.ticks(20)
    assert told(street) == [("pending", 0)]
    street.ticks(1)
    assert told(street)[1:] == [("firing", 622)]


@pytest.mark.parametrize("late_ms", [60_001, 3_600_000])
def test_a_reading_more_than_a_minute_behind_the_clock_changes_no_alert(late_ms):
    street = on(OZONE)
    street.ticks(4000)
    street.says("ion-1", "air", ms=street.ms - late_ms, efficiency_pct=5.0, ozone_ugm3=500.0)
    assert told(street) == []
    street.says("ion-1", "air", ms=street.ms - 60_000, efficiency_pct=5.0, ozone_ugm3=500.0)
    assert told(street) == [("firing", 4000)]


def test_a_reading_older_than_the_last_one_judged_changes_no_alert():
    street = on(OZONE)
    street.ticks(30)
    ozone(street, 50.0)
    street.says("ion-1", "air", ms=29_999, efficiency_pct=5.0, ozone_ugm3=500.0)
    assert told(street) == []


def test_each_field_is_judged_by_its_own_last_reading():
    co2 = value_rule("co2-high", "air.co2_ppm", limit=900.0, clear=800.0)
    street = on(OZONE, co2)
    street.ticks(30)
    street.says("ion-1", "air", ms=10_000, efficiency_pct=5.0, ozone_ugm3=50.0, co2_ppm=400.0)
    ozone(street, 50.0)
    street.says("ion-1", "air", ms=20_000, efficiency_pct=5.0, ozone_ugm3=500.0, co2_ppm=1000.0)
    assert [alert.rule for alert in street.alerts()] == ["co2-high"]


def test_a_rule_on_a_window_is_judged_once_when_it_closes():
    street = on(value_rule("warm", "temperature_10s.celsius_max", limit=30.0, clear=25.0))
    street.says("th-1", "temperature", ms=1000, celsius=31.0)
    street.ticks(11)
    assert told(street) == []
    street.says("th-1", "temperature", ms=11_000, celsius=20.0)
    street.ticks(11)
    assert told(street) == [("firing", 12), ("resolved", 22)]
    street.says("th-1", "temperature", ms=2000, celsius=99.0)
    assert len(told(street)) == 2


def test_two_series_of_a_device_are_judged_in_the_same_order_after_a_restart():
    street = on(value_rule("warm", "temperature_10s.celsius_max", limit=30.0, clear=25.0))
    for warm_first in (True, False):
        warm = street.line("th-1", "temperature", celsius=40.0, subject="water")
        cool = street.line("th-1", "temperature", celsius=10.0, subject="body")
        street.send(*([warm, cool] if warm_first else [cool, warm]))
        street.ticks(10)
    street.ticks(2)
    last = [alert.state for alert in street.alerts()][-2:]
    other = on(value_rule("warm", "temperature_10s.celsius_max", limit=30.0, clear=25.0))
    other.send(
        other.line("th-1", "temperature", celsius=40.0, subject="water"),
        other.line("th-1", "temperature", celsius=10.0, subject="body"),
    )
    other.ticks(10)
    other.send(
        other.line("th-1", "temperature", celsius=10.0, subject="body"),
        other.line("th-1", "temperature", celsius=40.0, subject="water"),
    )
    other.part = reloaded(written(other.part), other.part.rules)
    other.ticks(12)
    assert [alert.state for alert in other.alerts()][-2:] == last


TEMPERATURE = absent_rule("thermometer-silent", "temperature", 60_000)


def warm(street: Street, device: str = "th-1", **fields) -> None:
    street.says(device, "temperature", celsius=20.0, **fields)


def test_an_absence_fires_for_a_silent_device_and_resolves_when_it_speaks():
    street = on(TEMPERATURE)
    warm(street)
    street.ticks(59)
    assert told(street) == []
    street.ticks(1)
    assert told(street) == [("firing", 60)]
    street.ticks(100)
    warm(street)
    street.ticks(30)
    assert told(street) == [("firing", 60), ("resolved", 160)]


def test_an_absence_counts_from_the_last_reading():
    street = on(TEMPERATURE)
    for _ in range(5):
        warm(street)
        street.ticks(50)
    street.ticks(9)
    assert told(street) == []
    street.ticks(1)
    assert told(street) == [("firing", 260)]


def test_a_device_that_has_never_sent_the_type_is_not_absent():
    street = on(TEMPERATURE)
    ozone(street, 50.0)
    street.status("th-1", "online")
    street.ticks(500)
    assert told(street) == []


def test_any_reading_of_the_type_ends_a_silence_whatever_its_tags_or_age():
    street = on(TEMPERATURE)
    warm(street, subject="water")
    warm(street, subject="body")
    street.ticks(60)
    warm(street, subject="body", ms=5000)
    street.ticks(30)
    warm(street, subject="water")
    street.ticks(59)
    assert told(street) == [("firing", 60), ("resolved", 60)]
    street.ticks(1)
    assert told(street)[2:] == [("firing", 150)]


def mended(street: Street) -> None:
    street.replays(street.line("th-1", "temperature", celsius=20.0))


def test_a_mended_letter_neither_ends_a_silence_nor_puts_it_off():
    street = on(TEMPERATURE)
    warm(street)
    street.ticks(40)
    mended(street)
    street.ticks(40)
    mended(street)
    street.ticks(40)
    assert told(street) == [("firing", 60)]
    street.part = reloaded(written(street.part), street.part.rules)
    mended(street)
    street.ticks(1)
    assert told(street) == [("firing", 60)]
    warm(street)
    assert told(street) == [("firing", 60), ("resolved", 121)]
    assert street.alerts()[-1].value == 121.0


def test_a_mended_letter_of_a_device_that_never_spoke_begins_no_silence():
    street = on(TEMPERATURE)
    mended(street)
    street.ticks(120)
    assert told(street) == []
    warm(street)
    street.ticks(60)
    assert told(street) == [("firing", 180)]


def test_our_outage_is_not_the_devices_silence():
    street = on(TEMPERATURE)
    warm(street)
    street.ticks(50)
    street.outage(60)
    street.ticks(59)
    warm(street)
    street.ticks(59)
    assert told(street) == []


def test_a_device_that_stays_silent_after_an_outage_is_absent_a_minute_of_log_time_later():
    street = on(TEMPERATURE)
    warm(street)
    street.ticks(50)
    street.outage(60)
    street.ticks(59)
    assert told(street) == []
    street.ticks(1)
    assert told(street) == [("firing", 170)]


def test_a_second_outage_makes_absences_wait_anew():
    street = on(TEMPERATURE)
    warm(street)
    street.ticks(50)
    street.outage(60)
    street.ticks(30)
    street.outage(10)
    street.ticks(59)
    assert told(street) == []
    street.ticks(1)
    assert told(street) == [("firing", 210)]


def test_on_a_simulated_clock_the_wait_after_an_outage_is_longer_by_its_speed():
    street = on(TEMPERATURE)
    street.ticks(1, speed=60.0)
    warm(street)
    street.outage(301)
    street.ticks(3599)
    assert told(street) == []
    street.ticks(1)
    assert len(told(street)) == 1


def test_a_restart_in_a_silence_changes_nothing():
    street = on(TEMPERATURE, value_rule("ozone-held", "air.ozone_ugm3", for_ms=20_000))
    warm(street)
    ozone(street, 150.0)
    for _ in range(7):
        street.ticks(9)
        street.part = reloaded(written(street.part), street.part.rules)
    street.part = reloaded(written(street.part), street.part.rules)
    warm(street)
    assert told(street) == [("pending", 0), ("firing", 22), ("firing", 60), ("resolved", 64)]


def test_a_rule_that_is_gone_takes_its_alert_with_it_at_the_next_start():
    street = on(TEMPERATURE, OZONE)
    warm(street)
    ozone(street, 150.0)
    street.part = reloaded(written(street.part), RuleSet.of([TEMPERATURE]))
    ozone(street, 50.0)
    street.ticks(60)
    assert [alert.rule for alert in street.alerts()] == ["ozone-high", "thermometer-silent"]
