"""State of older versions: migrated into today's form, and the fold goes on from it."""

import msgspec
import pytest

from streams.migrate import VERSION, migrated
from streams.rules import RuleSet
from tests.support.folds import device_records, taken_over, value_rule, written
from tests.support.old_state import as_version
from tests.support.street import Street

OZONE = value_rule("ozone-high", "air.ozone_ugm3", limit=100.0, clear=90.0)
RULES = RuleSet.of([OZONE])


def busy_street() -> Street:
    street = Street(RULES)
    for second in range(30):
        street.says("ion-1", "air", efficiency_pct=50.0, ozone_ugm3=95.0 + second % 12)
        street.says("th-1", "temperature", celsius=float(second))
        street.ticks(1)
    street.says("th-1", "temperature", celsius=1.0, seq=0)
    street.ticks(1)
    return street


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_state_of_an_older_version_is_migrated_and_the_fold_goes_on(version):
    street, quiet = busy_street(), busy_street()
    street.part, outputs = taken_over(as_version(written(street.part), version), RULES)
    assert outputs == []
    assert device_records(street.part) == device_records(quiet.part)
    for one in (street, quiet):
        one.outputs.clear()
        for value in (150.0, 50.0, 150.0):
            one.says("ion-1", "air", efficiency_pct=50.0, ozone_ugm3=value)
            one.ticks(7)
        one.says("ion-1", "air", efficiency_pct=50.0, ozone_ugm3=50.0, seq=0)
        one.ticks(12)
    assert device_records(street.part) == device_records(quiet.part)
    assert street.alerts() == quiet.alerts()
    assert street.rollups() == quiet.rollups()
    assert street.throughput() == quiet.throughput()


def test_what_is_migrated_is_written_in_the_form_of_today():
    part, _ = taken_over(as_version(written(busy_street().part), 1), RULES)
    for value in written(part).values():
        assert msgspec.msgpack.decode(value)[0] == VERSION


def test_a_content_of_today_is_left_as_it_is():
    content = [[], [["th-1", "thermometer"]]]
    assert migrated(content, VERSION) == content
