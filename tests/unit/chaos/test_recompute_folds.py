"""The independent recomputation against the real fold, on random logs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from schemas import topics
from streams.partition import Partition
from streams.rulefile import load_rules
from tests.chaos.recompute import (
    Counts,
    DeviceFacts,
    Found,
    LogRecord,
    Recomputed,
    differences,
    found_in,
    recompute,
)
from tests.support.cities import City, Record, Step, random_steps
from tests.support.folds import Results, device_records, quiet_run

RULES = """
[[rule]]
id = "ozone-high"
measure = "air.ozone_ugm3"
above = 100
clear = 90
severity = "critical"
summary = "{value}"

[[rule]]
id = "ozone-held"
measure = "air.ozone_ugm3"
above = 60
for = "9s"
severity = "warning"
summary = "{value}"

[[rule]]
id = "co2-low"
measure = "air.co2_ppm"
below = 600
clear = 900
for = "1500ms"
severity = "info"
summary = "{value}"

[[rule]]
id = "warm"
measure = "temperature.celsius"
above = 20
clear = 15
for = "5s"
device = "th-*"
site = "st*"
severity = "warning"
summary = "{value}"

[[rule]]
id = "warm-window"
measure = "temperature_10s.celsius_max"
above = 30
clear = 25
severity = "warning"
summary = "{value}"

[[rule]]
id = "cool-minute"
measure = "temperature_1m.celsius_min"
below = 10
clear = 12
for = "2m"
severity = "warning"
summary = "{value}"

[[rule]]
id = "crowd"
measure = "scene_10s.people_sum"
above = 40
severity = "warning"
summary = "{value}"

[[rule]]
id = "dust-told"
measure = "air_1m.co2_ppm_count"
above = 3
severity = "info"
summary = "{value}"

[[rule]]
id = "tickets"
measure = "ticket_1m.count"
above = 2
severity = "info"
summary = "{value}"

[[rule]]
id = "mute"
measure = "audio.playing"
below = 0.5
for = "20s"
severity = "info"
summary = "{value}"

[[rule]]
id = "air-silent"
absent = "air"
for = "30s"
severity = "warning"
summary = "{since}"

[[rule]]
id = "thermometer-silent"
absent = "temperature"
for = "60s"
severity = "warning"
summary = "{since}"

[[rule]]
id = "desk-silent"
absent = "ticket"
for = "10s"
severity = "warning"
summary = "{since}"
"""
ONE_TALKER = (
    ("read", "boot", "skip", "skip", "fill", "again", "wait", "reset", "wrong"),
    (*("read", "skip") * 10, "fill", "again", "wait"),
)
"""Steps that use up the memory of a device's boots, and of its gaps."""


@pytest.fixture(scope="module")
def rules(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "rules.toml"
    path.write_text(RULES)
    return path


def records(log: Sequence[Record], partition: int = 0) -> list[LogRecord]:
    return [
        LogRecord(partition, offset, one.timestamp_ms, one.value, tuple(one.headers))
        for offset, one in enumerate(log)
    ]


def told_by(part: Partition, results: Results) -> Found:
    """What the real fold gave out, and what it remembers at the end."""

    def values(topic: str) -> list[bytes]:
        return [
            value for (name, _), held in results.values.items() if name == topic for value in held
        ]

    found = found_in(values(topics.ROLLUPS), values(topics.ALERTS), values(topics.DEVICES))
    found.counts = Counts(*(getattr(part.counts, name) for name in Counts.__dataclass_fields__))
    found.devices = {
        key: DeviceFacts(
            kind=one.kind,
            state=one.state,
            since_ms=one.since,
            heard_ms=one.heard,
            boot=one.boot,
            generation=one.generation,
            readings=one.readings,
            duplicates=one.duplicates,
            unprovable=one.unprovable,
            late=one.late,
            wrong_clock=one.wrong_clock,
        )
        for key, one in device_records(part).items()
    }
    return found


def compared(log: Sequence[Record], rules: Path) -> tuple[Recomputed, list[str]]:
    expected = recompute(records(log), rules)
    return expected, differences(expected, told_by(*quiet_run(log, load_rules(rules))))


def one_talker_steps(seed: int, count: int) -> list[Step]:
    """Steps of one device that starts often or leaves many gaps."""
    random = Random(seed)
    return [(random.choice(ONE_TALKER[seed % 2]), 1, random.randrange(1000)) for _ in range(count)]


def renamed(log: Sequence[Record]) -> list[Record]:
    """The same log of other sites."""
    return [one._replace(value=one.value.replace(b'{"site":"', b'{"site":"far-')) for one in log]


def test_the_recomputation_and_the_fold_agree_on_random_cities(rules):
    everything = Counts()
    for seed in range(18):
        city = City()
        city.play(random_steps(seed, 200))
        expected, found = compared(city.quiet(3700 * (seed % 5 == 0), 5000), rules)
        assert not found, (seed, found)
        for name, count in vars(expected.counts).items():
            setattr(everything, name, getattr(everything, name) + count)
    assert all(count for name, count in vars(everything).items() if name != "unprovable")


def test_they_agree_on_names_that_are_beyond_a_devices_memory(rules):
    for seed in range(2):
        log = City().play(one_talker_steps(seed, 1300))
        expected, found = compared(log, rules)
        assert not found, (seed, found)
        assert expected.counts.unprovable


def test_they_agree_on_which_reading_a_silence_began_after(rules):
    # an outage of ours moves the clock but not the active clock, between readings of two series
    log = City().play(
        [
            ("read", 1, 3),
            ("read", 1, 4),
            ("outage", 1, 2),
            ("read", 1, 3),
            *[("wait", 1, 9)] * 3,
        ]
    )
    expected, found = compared(log, rules)
    assert not found
    silent = [name for name, owner in expected.owners.items() if owner.rule == "thermometer-silent"]
    assert len(silent) == 1


def test_partitions_have_clocks_of_their_own_and_records_come_in_any_order(rules):
    near, far = City().play(random_steps(5, 200)), renamed(City().play(random_steps(6, 200)))
    both = [*records(near), *records(far, 3)]
    Random(1).shuffle(both)
    whole = recompute([*both, *both[:50]], rules)
    apart = [recompute(records(near), rules), recompute(records(far, 3), rules)]
    for part in ("windows", "throughput", "states", "devices", "told", "alerts", "owners", "ends"):
        assert getattr(whole, part) == getattr(apart[0], part) | getattr(apart[1], part)
    assert whole.counts.accepted == sum(one.counts.accepted for one in apart)
    far_alone = told_by(*quiet_run(far, load_rules(rules)))
    assert not differences(apart[1], far_alone)
