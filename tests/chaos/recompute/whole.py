"""From the records of the telemetry topic to all that must have come of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.recompute.alerts import (
    Change,
    Looks,
    Owner,
    ValueLife,
    alert_id,
    of_readings,
    of_windows,
    silences,
)
from tests.chaos.recompute.life import Accepted, DeviceFacts, Life, State
from tests.chaos.recompute.lines import Line, lines
from tests.chaos.recompute.moments import LogRecord, Moment, moments, partitions
from tests.chaos.recompute.rules import Rule, read_rules
from tests.chaos.recompute.sums import Flow, FlowKey, Window, WindowKey, throughput, windows

DeviceKey = tuple[str, str]
"""(site, device)."""


@dataclass
class Counts:
    """Of the whole log; ``rejected`` are lines that are none."""

    accepted: int = 0
    duplicates: int = 0
    resets: int = 0
    unprovable: int = 0
    late: int = 0
    statuses: int = 0
    outages: int = 0
    rejected: int = 0


@dataclass
class Recomputed:
    """What must have come of a log.

    ``windows`` and ``throughput`` hold those that have closed by the log's last record, late
    readings included. ``devices`` are as of that record; ``told`` as of the last moment at
    which each was told, so what the newest record of its topic says. ``alerts`` are the life
    cycles by id, ``owners`` whose they are. ``ends`` is where the clock of each partition stands.
    """

    windows: dict[WindowKey, Window] = field(default_factory=dict)
    throughput: dict[FlowKey, Flow] = field(default_factory=dict)
    states: dict[DeviceKey, list[tuple[int, State]]] = field(default_factory=dict)
    devices: dict[DeviceKey, DeviceFacts] = field(default_factory=dict)
    told: dict[DeviceKey, DeviceFacts] = field(default_factory=dict)
    alerts: dict[str, list[Change]] = field(default_factory=dict)
    owners: dict[str, Owner] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    ends: dict[int, Moment] = field(default_factory=dict)


def recompute(records: Iterable[LogRecord], rules: Path | Sequence[Path]) -> Recomputed:
    """Compute everything anew from the telemetry topic.

    ``records`` come in any order, and may come twice; the log must be there from its beginning.
    ``rules`` are files, or folders of ``*.toml``.
    """
    found = Recomputed()
    all_rules = read_rules(rules)
    for log in partitions(records):
        _recompute_partition(log, all_rules, found)
    return found


def _recompute_partition(
    log: Sequence[LogRecord], rules: Sequence[Rule], found: Recomputed
) -> None:
    times = moments(log)
    looks = Looks(times)
    found.ends[log[0].partition] = times[-1]
    found.counts.outages += sum(moment.outage for moment in times)
    said: dict[DeviceKey, list[Line]] = {}
    for line in lines(log):
        if line is None:
            found.counts.rejected += 1
        else:
            said.setdefault(line.key, []).append(line)
    kinds: dict[tuple[str, str], list[Accepted]] = {}
    for key, device_lines in said.items():
        life = Life(device_lines, times)
        _note_life(found, key, life)
        found.windows.update(windows(life.accepted, times[-1].watermark_ms))
        kinds.setdefault((key[0], life.facts.kind), []).extend(life.accepted)
        for rule in rules:
            if rule.watches(*key):
                _note_alerts(found, rule, key, life.accepted, looks)
    for readings in kinds.values():
        found.throughput.update(throughput(readings, times))


def _note_life(found: Recomputed, key: DeviceKey, life: Life) -> None:
    facts, counts = life.facts, found.counts
    found.devices[key] = facts
    if life.told is not None:
        found.told[key] = life.told
    found.states[key] = life.states
    counts.accepted += facts.readings
    counts.duplicates += facts.duplicates
    counts.resets += facts.generation
    counts.unprovable += facts.unprovable
    counts.late += facts.late
    counts.statuses += life.statuses


def _note_alerts(
    found: Recomputed, rule: Rule, key: DeviceKey, readings: Sequence[Accepted], looks: Looks
) -> None:
    for started_ms, change in _changes(rule, readings, looks):
        name = alert_id(rule, *key, started_ms)
        found.owners[name] = Owner(rule.id, rule.severity, *key)
        found.alerts.setdefault(name, []).append(change)


def _changes(
    rule: Rule, readings: Sequence[Accepted], looks: Looks
) -> Iterable[tuple[int, Change]]:
    if rule.absent:
        return silences(rule, readings, looks)
    values = (of_windows if rule.window else of_readings)(rule, readings, looks.moments)
    return ValueLife(rule, values, looks).changes
