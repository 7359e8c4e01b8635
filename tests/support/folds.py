"""Folds a log as a worker would, quietly or with crashes and zombies, and keeps what comes out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec

from schemas import topics
from schemas.records import Rollup, WorkerProgress, decode_device, decode_rollup
from streams import state as states
from streams.outputs import Output
from streams.partition import ExpectedDevice, Partition
from streams.rules import AbsentRule, RuleSet, ValueRule
from tests.support.cities import Record


def value_rule(rule_id: str, measure: str, **changes: Any) -> ValueRule:
    """A rule that fires above a limit; ``measure`` is ``type.field`` or ``type_10s.field_max``."""
    series, _, field = measure.partition(".")
    reading_type, _, window = series.partition("_")
    name, _, statistic = field.rpartition("_") if window else (field, "", None)
    rule = ValueRule(
        id=rule_id, measure=measure, type=reading_type, window=window or None, field=name,
        statistic=statistic, above=True, limit=100.0, clear=90.0, for_ms=0,
        severity="warning", summary="{value} at {site} {device} {since}",
    )  # fmt: skip
    return msgspec.structs.replace(rule, **changes)


def absent_rule(rule_id: str, reading_type: str, for_ms: int) -> AbsentRule:
    """A rule that fires when a device sends no reading of a type."""
    summary = "{device} at {site} silent for {since}"
    return AbsentRule(
        id=rule_id, type=reading_type, for_ms=for_ms, severity="warning", summary=summary
    )


NO_RULES = RuleSet.of([])
RULES = RuleSet.of(
    [
        value_rule("ozone-high", "air.ozone_ugm3"),
        value_rule("co2-high", "air.co2_ppm", limit=900.0, clear=600.0),
        value_rule("ozone-held", "air.ozone_ugm3", limit=60.0, clear=60.0, for_ms=9000),
        value_rule("warm-held", "temperature.celsius", limit=20.0, clear=15.0, for_ms=5000),
        value_rule("warm-window", "temperature_10s.celsius_max", limit=30.0, clear=25.0),
        value_rule("warm-minute", "temperature_1m.celsius_max", limit=35.0, clear=35.0),
        value_rule("mute", "audio.playing", limit=0.5, clear=0.5, for_ms=20_000),
        absent_rule("air-silent", "air", 30_000),
        absent_rule("thermometer-silent", "temperature", 60_000),
        absent_rule("desk-silent", "ticket", 10_000),
    ]
)


def is_progress(value: bytes) -> bool:
    """Whether a value of the rollups' topic is the worker's progress."""
    return isinstance(decode_rollup(value), WorkerProgress)


class Results:
    """The topics behind the worker, as far as its outputs are in Kafka."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, bytes | None], list[bytes]] = defaultdict(list)
        self.waiting: list[Output] = []

    def deliver(self, count: int | None = None) -> None:
        """Kafka takes the outputs that wait, or the first ``count`` of them."""
        sent, self.waiting = self.waiting[:count], self.waiting[count:] if count else []
        for output in sent:
            self.values[output.topic, output.key].append(output.value)

    def of(self, topic: str) -> set[tuple[bytes | None, bytes]]:
        """Every (key, value) that a topic has ever held, but for the worker's progress."""
        return {
            (key, value)
            for (name, key), values in self.values.items()
            if name == topic
            for value in values
            if topic != topics.ROLLUPS or not is_progress(value)
        }

    def progress_keys(self) -> set[bytes | None]:
        """The keys of the worker's progress; its counts are those of one worker's life."""
        return {
            key
            for (name, key), values in self.values.items()
            if name == topics.ROLLUPS and is_progress(values[0])
        }

    def rollups(self) -> list[Rollup]:
        """The distinct rows of windows of readings."""
        rows = [decode_rollup(value) for _, value in sorted(self.of(topics.ROLLUPS))]
        return [row for row in rows if isinstance(row, Rollup)]

    def transitions(self) -> set[tuple[bytes | None, str, int]]:
        """(key, state, since) of every device record."""
        found = set()
        for key, value in self.of(topics.DEVICES):
            record = decode_device(value)
            found.add((key, record.state, record.since))
        return found


def partition(rules: RuleSet = RULES, expected: Sequence[ExpectedDevice] = ()) -> Partition:
    """A partition that every site belongs to."""
    return Partition(0, 1, rules, expected)


def fold_on(part: Partition, log: Sequence[Record], results: Results, until: int) -> None:
    """Fold what comes next, up to before offset ``until``."""
    for offset in range(part.last + 1, min(until, len(log))):
        record = log[offset]
        results.waiting += part.fold(offset, record.timestamp_ms, record.value, record.headers)


def quiet_run(log: Sequence[Record], rules: RuleSet = RULES) -> tuple[Partition, Results]:
    """Fold a log without a disturbance."""
    part, results = partition(rules), Results()
    fold_on(part, log, results, len(log))
    results.deliver()
    return part, results


def troubled_run(log: Sequence[Record], random: Random) -> tuple[Partition, Results]:
    """Fold a log with crashes, torn flushes, and zombies that write what they kept long before."""
    results = Results()
    topic: dict[bytes, bytes] = {}
    kept: list[states.State] = []
    part = partition()
    while part.last + 1 < len(log):
        fold_on(part, log, results, part.last + 1 + random.randrange(1, 25))
        event = random.random()
        if event < 0.5:
            kept.append(part.snapshot())
            results.deliver()
            fold_on(part, log, results, part.last + 1 + random.randrange(4))
            torn = random.random() < 0.15
            _write(topic, kept[-1], random.randrange(3) if torn else None)
            if not torn:
                continue
        elif event < 0.65 and kept:
            _write(topic, random.choice(kept))
            continue
        elif event < 0.8:
            continue
        results.deliver(random.randrange(len(results.waiting) + 1))
        results.waiting = []
        part = reloaded(topic)
    results.deliver()
    return part, results


def _write(topic: dict[bytes, bytes], state: states.State, sites: int | None = None) -> None:
    """Write a flush, or only its first ``sites``."""
    for site in state.sites[:sites]:
        topic.update(states.site_records(site))
    if sites is None:
        key, value = states.header_record(state)
        topic[key] = value


def reloaded(topic: dict[bytes, bytes], rules: RuleSet = RULES) -> Partition:
    """The partition that a worker takes over with this in the state topic."""
    return taken_over(topic, rules)[0]


def taken_over(topic: dict[bytes, bytes], rules: RuleSet = RULES) -> tuple[Partition, list[Output]]:
    """The same, with what the load gives out."""
    part = partition(rules)
    state = states.load(topic)
    return part, [] if state is None else part.load(state)


def written(part: Partition) -> dict[bytes, bytes]:
    """The state topic after a flush of every site."""
    topic: dict[bytes, bytes] = {}
    for site in part.sites.values():
        site.changed = True
    _write(topic, part.snapshot())
    return topic


def device_records(part: Partition) -> dict[tuple[str, str], Any]:
    """What is known of each device, at the end."""
    found = {}
    for site in part.sites.values():
        for device in site.devices.values():
            device.catch_up()
            found[site.name, device.id] = device.record(part.clock.now_ms, part.clock.speed)
    return found
