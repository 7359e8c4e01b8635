"""Alerts that are on when their rule is changed or removed: resolved, and told once."""

import msgspec
import pytest

from streams.rules import RuleSet
from tests.support.folds import absent_rule, taken_over, value_rule, written
from tests.support.street import Street

OZONE = value_rule("ozone-high", "air.ozone_ugm3", limit=100.0, clear=90.0, unit="µg/m³")
HELD = value_rule("ozone-held", "air.ozone_ugm3", limit=100.0, clear=90.0, for_ms=600_000)
SILENT = absent_rule("air-silent", "air", 30_000)


def alarmed(*rules) -> Street:
    """A stop whose ozone is too high, and whose ionizer then falls silent."""
    street = Street(RuleSet.of(rules))
    street.says("ion-1", "air", efficiency_pct=50.0, ozone_ugm3=150.0)
    street.ticks(40)
    return street


def taken_over_by(street: Street, *rules):
    """The alerts given out by a worker with other rules, when it loads the state."""
    street.part, street.outputs = taken_over(written(street.part), RuleSet.of(rules))
    return street.alerts()


def test_an_alert_whose_rule_was_removed_is_resolved():
    street = alarmed(OZONE)
    (firing,) = street.alerts()
    (end,) = taken_over_by(street)
    assert (end.id, end.state, end.fired) == (firing.id, "resolved", True)
    assert (end.site, end.rule, end.severity, end.device) == (
        firing.site, firing.rule, firing.severity, firing.device,
    )  # fmt: skip
    assert (end.at, end.ordinal) > (firing.at, firing.ordinal)
    assert end.summary == "rule ozone-high no longer watches ion-1 at stop-1; last value 150 µg/m³"


def test_it_is_resolved_by_the_same_record_however_often_the_state_is_loaded():
    street = alarmed(OZONE)
    kept = written(street.part)
    (_, first), (_, again) = taken_over(kept, RuleSet.of([])), taken_over(kept, RuleSet.of([]))
    assert len(first) == 1
    assert first == again


def test_once_it_is_kept_that_it_was_resolved_nothing_is_told_again():
    street = alarmed(OZONE)
    assert len(taken_over_by(street)) == 1
    street.ticks(1)
    assert taken_over_by(street) == []


def test_an_alert_that_was_only_pending_ends_without_having_fired():
    (end,) = taken_over_by(alarmed(HELD))
    assert (end.state, end.fired) == ("resolved", False)


def test_a_silence_whose_rule_was_removed_is_resolved():
    street = alarmed(SILENT)
    (firing,) = street.alerts()
    (end,) = taken_over_by(street)
    assert (end.id, end.state, end.ordinal, end.value) == (firing.id, "resolved", 1, 40.0)


@pytest.mark.parametrize(
    "changed",
    [
        msgspec.structs.replace(OZONE, severity="critical"),
        msgspec.structs.replace(OZONE, measure="air.co2_ppm", field="co2_ppm"),
        msgspec.structs.replace(OZONE, site="other-*"),
        absent_rule("ozone-high", "air", 30_000),
    ],
)
def test_a_rule_that_now_says_something_else_ends_what_it_said_before(changed):
    street = alarmed(OZONE)
    (firing,) = street.alerts()
    (end,) = taken_over_by(street, changed)
    assert (end.id, end.severity, end.state) == (firing.id, "warning", "resolved")


def test_a_rule_with_another_limit_judges_on_from_where_it_stood():
    street = alarmed(OZONE)
    assert taken_over_by(street, msgspec.structs.replace(OZONE, limit=140.0, clear=120.0)) == []
    street.says("ion-1", "air", efficiency_pct=50.0, ozone_ugm3=119.0)
    assert [alert.state for alert in street.alerts()] == ["resolved"]


def test_an_alert_at_rest_is_forgotten_without_a_word():
    street = Street(RuleSet.of([OZONE, SILENT]))
    street.says("ion-1", "air", efficiency_pct=50.0, ozone_ugm3=50.0)
    street.ticks(5)
    assert taken_over_by(street) == []
