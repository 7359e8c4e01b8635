"""One device as the worker remembers it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from schemas.records import DeviceRecord
from streams.alerts import AbsentAlert, ValueAlert
from streams.dedup import SeenMemory, Verdict
from streams.feed import Feed
from streams.presence import Presence
from streams.rules import RuleSet, ValueRule
from streams.withdrawn import SavedAlert

NOT_DUE: Final = 2**63


class Watches:
    """The alerts that look at one device: by reading type, by closed window, and by silence."""

    __slots__ = ("absent", "by_type", "by_window", "named")

    def __init__(self, rules: RuleSet, site: str, device: str) -> None:
        """Make a state machine for every rule that matches the device."""
        matching = rules.matching(site, device)
        self.named: dict[str, ValueAlert | AbsentAlert] = {}
        self.by_type = {
            reading_type: tuple((rule.field, self._named(rule, site, device)) for rule in found)
            for reading_type, found in matching.by_type.items()
        }
        self.by_window = {
            key: tuple((rule, self._named(rule, site, device)) for rule in found)
            for key, found in matching.by_window.items()
        }
        self.absent: dict[str, list[tuple[str, AbsentAlert]]] = {}
        for rule in matching.absent:
            silence = AbsentAlert(rule, site, device)
            self.named[rule.id] = silence
            self.absent.setdefault(rule.type, []).append((rule.id, silence))

    def _named(self, rule: ValueRule, site: str, device: str) -> ValueAlert:
        alert = ValueAlert(rule, site, device)
        self.named[rule.id] = alert
        return alert


class Device:
    """What is kept of one (site, device): its memory, presence, feeds and alerts.

    ``silence_due_ms`` is when its staleness is looked for (active clock; `NOT_DUE` where it
    isn't), ``told`` is the record last sent (without when), ``told_ms`` when that was, and
    ``told_ordinal`` which of those of that ms it was.
    The fold touches as few objects as it can: ``boot``, ``next_seq`` and ``newest_ms`` run
    ahead of the memory, ``reset_ms`` is the memory's, ``look_at_active_ms`` is the presence's,
    and `catch_up` brings everything to the same state.
    """

    __slots__ = (
        "boot",
        "duplicates",
        "feeds",
        "generation",
        "id",
        "kind",
        "late",
        "look_at_active_ms",
        "memory",
        "newest_ms",
        "next_seq",
        "presence",
        "readings",
        "reset_ms",
        "silence_due_ms",
        "site",
        "told",
        "told_ms",
        "told_ordinal",
        "unprovable",
        "watches",
        "withdrawn",
        "wrong_clock",
    )

    def __init__(
        self, site: str, kind: str, device: str, presence: Presence, rules: RuleSet
    ) -> None:
        """Begin with nothing heard."""
        self.site = site
        self.kind = kind
        self.id = device
        self.presence = presence
        self.memory = SeenMemory()
        self.watches = Watches(rules, site, device)
        self.feeds: list[Feed] = []
        self.boot = -1
        self.next_seq = 0
        self.newest_ms = self.memory.newest_ms
        self.reset_ms = self.memory.reset_ms
        self.look_at_active_ms = -1
        self.readings = 0
        self.duplicates = 0
        self.unprovable = 0
        self.late = 0
        self.generation = 0
        self.wrong_clock = False
        self.silence_due_ms = NOT_DUE
        self.told: DeviceRecord | None = None
        self.told_ms = -1
        self.told_ordinal = 0
        self.withdrawn: list[SavedAlert] = []

    def see(self, boot: int, seq: int, ts_ms: int, now_ms: int, *, believed: bool) -> Verdict:
        """Judge a reading's name where it does not simply continue the last one."""
        self.memory.run_to(self.next_seq, self.newest_ms)
        now = self.memory.generation(boot, seq, ts_ms, believed=believed) is self.memory
        verdict = self.memory.see(boot, seq, ts_ms, now_ms, believed=believed)
        self._follow_memory()
        # the common reading is of a boot that came this way before
        if now:
            self.presence.boot = max(self.presence.boot, boot)
        return verdict

    def _follow_memory(self) -> None:
        memory = self.memory
        self.boot, self.next_seq = memory.current_boot, memory.next_seq
        self.newest_ms, self.reset_ms = memory.newest_ms, memory.reset_ms

    def catch_up(self) -> None:
        """Tell memory, presence and alerts what the fold has only noted."""
        self.memory.run_to(self.next_seq, self.newest_ms)
        for feed in self.feeds:
            if feed.heard_ms > (self.presence.heard_ms or 0):
                self.presence.spoke(feed.heard_ms, feed.heard_active_ms)
            for _, silence in feed.silences:
                silence.heard_again(feed.heard_ms, feed.heard_active_ms)
            feed.settle()

    def record(self, now_ms: int, speed: float) -> DeviceRecord:
        """The device's record as of the log's clock ``now_ms``; call `catch_up` before.

        It does not say when it is told, so that it is the same as long as nothing changed.
        """
        presence = self.presence
        return DeviceRecord(
            site=self.site,
            kind=self.kind,
            device=self.id,
            state=presence.state,
            since=presence.since_ms,
            heard=presence.heard_ms,
            boot=presence.boot if presence.boot >= 0 else None,
            firmware=presence.firmware,
            interval_ms=presence.usual_interval_ms(speed),
            generation=self.generation,
            readings=self.readings + sum(feed.readings for feed in self.feeds),
            duplicates=self.duplicates,
            unprovable=self.unprovable,
            missing=self.memory.missing(now_ms),
            late=self.late,
            wrong_clock=self.wrong_clock,
        )

    def tells(self, now_ms: int, speed: float) -> DeviceRecord | None:
        """What is to be told of it now, or None where that was told; call `catch_up` before.

        Records of one ms are numbered: they are rows, and none takes another's place.
        """
        record = self.record(now_ms, speed)
        if record == self.told:
            return None
        self.told = record
        self.told_ordinal = self.told_ordinal + 1 if self.told_ms == now_ms else 0
        self.told_ms = now_ms
        return msgspec.structs.replace(record, at=now_ms, ordinal=self.told_ordinal)

    def snapshot(self, now_ms: int, speed: float) -> tuple[Any, ...]:
        """As plain values, as of the log's clock ``now_ms``; call `catch_up` before.

        Near the end it says whether all of it was told: who takes it over tells no more than we
        would.
        """
        return (
            self.id,
            self.kind,
            self.presence.snapshot(),
            self.memory.snapshot(),
            self.readings,
            self.duplicates,
            self.unprovable,
            self.late,
            self.generation,
            self.wrong_clock,
            self.saved_alerts(),
            [feed.snapshot() for feed in self.feeds],
            self.told is not None and self.told == self.record(now_ms, speed),
            self.told_ms,
            self.told_ordinal,
        )

    def saved_alerts(self) -> list[SavedAlert]:
        """Its alerts as they are kept; call `catch_up` before."""
        return list(filter(None, map(SavedAlert.of, self.watches.named.values())))

    def take(self, saved: tuple[Any, ...], now_ms: int, speed: float) -> list[tuple[Any, ...]]:
        """Take in what `snapshot` gave; the saved feeds are returned for the site to make.

        ``withdrawn`` then holds what was kept of alerts that no rule watches any more.
        """
        (
            _,
            _,
            presence,
            memory,
            self.readings,
            self.duplicates,
            self.unprovable,
            self.late,
            self.generation,
            self.wrong_clock,
            alerts,
            feeds,
            told,
            self.told_ms,
            self.told_ordinal,
        ) = saved
        self.presence = Presence.restore(presence)
        self.memory = SeenMemory.restore(memory)
        self._follow_memory()
        for one in map(SavedAlert._make, alerts):
            alert = self.watches.named.get(one.rule)
            if alert is not None and one.fits(alert.rule):
                alert.restore(one.state)
            else:
                self.withdrawn.append(one)
        if told:
            self.told = self.record(now_ms, speed)
        return list(feeds)
