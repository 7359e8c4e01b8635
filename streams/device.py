"""One device as the worker remembers it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from schemas.records import DeviceRecord
from streams.alerts import AbsentAlert, ValueAlert
from streams.dedup import SeenMemory, Verdict
from streams.feed import Feed
from streams.presence import Presence
from streams.rules import RuleSet, ValueRule

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
    isn't), ``told`` is the record last sent (without when).
    The fold touches as few objects as it can: ``boot``, ``next_seq`` and ``newest_ms`` run
    ahead of the memory, ``look_at_active_ms`` is the presence's, and `catch_up` brings
    everything to the same state.
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
        "silence_due_ms",
        "site",
        "told",
        "unprovable",
        "watches",
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
        self.look_at_active_ms = -1
        self.readings = 0
        self.duplicates = 0
        self.unprovable = 0
        self.late = 0
        self.generation = 0
        self.wrong_clock = False
        self.silence_due_ms = NOT_DUE
        self.told: DeviceRecord | None = None

    def see(self, boot: int, seq: int, ts_ms: int, now_ms: int, *, believed: bool) -> Verdict:
        """Judge a reading's name where it does not simply continue the last one."""
        self.memory.run_to(self.next_seq, self.newest_ms)
        verdict = self.memory.see(boot, seq, ts_ms, now_ms, believed=believed)
        self._follow_memory()
        # the common reading is of a boot that came this way before
        self.presence.boot = max(self.presence.boot, boot)
        return verdict

    def _follow_memory(self) -> None:
        memory = self.memory
        self.boot, self.next_seq = memory.current_boot, memory.next_seq
        self.newest_ms = memory.newest_ms

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

    def snapshot(self) -> tuple[Any, ...]:
        """As plain values; call `catch_up` before."""
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
            list(self._saved_alerts()),
            [feed.snapshot() for feed in self.feeds],
        )

    def _saved_alerts(self) -> Iterator[tuple[str, Any]]:
        for rule, alert in self.watches.named.items():
            saved = alert.snapshot()
            if saved is not None:
                yield rule, saved

    def take(self, saved: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Take in what `snapshot` gave; the saved feeds are returned for the site to make."""
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
        ) = saved
        self.presence = Presence.restore(presence)
        self.memory = SeenMemory.restore(memory)
        self._follow_memory()
        for rule, state in alerts:
            known = self.watches.named.get(rule)
            if known is not None:
                known.restore(state)
        return list(feeds)
