"""The life of one device: which of its readings count, and whether it was there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal, NamedTuple

from tests.chaos.recompute.lines import Line, tags_of
from tests.chaos.recompute.moments import Moment
from tests.chaos.recompute.names import Names

State = Literal["online", "stale", "offline", "never_seen"]

GAPS = 16
FEWEST_WORDS = 4
SHORTEST_MS, LONGEST_MS = 10_000, 3_600_000
UNKNOWN_MS = 300_000
STALE_AFTER = 3
BURST_MS = 1000


class Accepted(NamedTuple):
    """A reading that counts, once; ``event_ms`` is its time, or the bridge's where unbelieved."""

    record: int
    site: str
    kind: str
    device: str
    type: str
    tags: tuple[str, ...]
    event_ms: int
    live: bool
    size: int
    reading: dict[str, Any]


@dataclass
class DeviceFacts:
    """What is known of a device; times in ms of the log's clock."""

    kind: str
    state: State = "never_seen"
    since_ms: int = 0
    heard_ms: int | None = None
    boot: int | None = None
    generation: int = 0
    readings: int = 0
    duplicates: int = 0
    unprovable: int = 0
    late: int = 0
    wrong_clock: bool = False


class Life:
    """One device, from its first line to the end of the log.

    ``told`` are the facts as of the last moment at which they are told: when its state
    changes, and at each whole minute of the log's clock.
    """

    def __init__(self, said: Sequence[Line], moments: Sequence[Moment]) -> None:
        self.facts = DeviceFacts(said[0].kind, since_ms=moments[said[0].record].now_ms)
        self.told: DeviceFacts | None = None
        self.states: list[tuple[int, State]] = []
        self.accepted: list[Accepted] = []
        self.statuses = 0
        self._names = Names()
        self._gaps: list[int] = []
        self._words = 0
        self._word_ms = 0
        self._heard_active_ms = 0
        self._last_status: tuple[int, str, int] | None = None
        looks = [moment for moment in moments[said[0].record + 1 :] if moment.looks]
        looked = 0
        for line in said:
            while looked < len(looks) and looks[looked].record <= line.record:
                self._look(looks[looked])
                looked += 1
            self._line(line, moments[line.record])
        for moment in looks[looked:]:
            self._look(moment)

    def _look(self, moment: Moment) -> None:
        """Time goes on: it may have been silent for too long, and each minute it is told."""
        if self.facts.state == "online" and self._silent_too_long(moment):
            self._becomes("stale", moment)
        if moment.minute:
            if self.facts.state == "never_seen" and not self.states:
                self.states.append((self.facts.since_ms, "never_seen"))
            self.told = replace(self.facts)

    def _silent_too_long(self, moment: Moment) -> bool:
        silent_ms = moment.active_ms - self._heard_active_ms
        if silent_ms < STALE_AFTER * int(SHORTEST_MS * moment.speed):
            return False
        shortest, longest = SHORTEST_MS * moment.speed, LONGEST_MS * moment.speed
        usual = UNKNOWN_MS * moment.speed
        if self._words >= FEWEST_WORDS:
            usual = min(max(median(self._gaps[-GAPS:]), shortest), longest)
        return silent_ms >= STALE_AFTER * int(usual)

    def _line(self, line: Line, moment: Moment) -> None:
        if line.status is not None:
            self.statuses += 1
            if line.live:
                self._status(line.status, moment)
        elif line.reading is not None:
            self._reading(line, line.reading, moment)

    def _reading(self, line: Line, reading: dict[str, Any], moment: Moment) -> None:
        facts, boot = self.facts, reading["boot"]
        ts_ms, believed = reading["ts"], line.at is None
        name = boot, reading["seq"], ts_ms
        former = self._names.is_former(*name, believed=believed)
        verdict = self._names.judge(*name, believed=believed)
        if verdict == "reset":
            facts.boot = boot
        elif not former:
            facts.boot = max(boot, facts.boot or 0)
        facts.generation += verdict == "reset"
        facts.unprovable += verdict == "unprovable"
        if verdict == "duplicate":
            facts.duplicates += 1
            return
        event_ms = reading["ts"] if line.at is None else line.at
        facts.wrong_clock = line.at is not None
        if line.live:  # a mended letter is from before: it does not show that it is there
            facts.heard_ms, self._heard_active_ms = moment.now_ms, moment.active_ms
            # After its last will only what it says later does
            if facts.state != "offline" or event_ms > facts.since_ms:
                self._note_gap(moment)
                self._becomes("online", moment)  # told before the reading itself is counted
        facts.readings += 1
        facts.late += event_ms // 10_000 * 10_000 + 10_000 <= moment.watermark_ms
        self.accepted.append(
            Accepted(
                line.record,
                line.site,
                line.kind,
                line.device,
                reading["type"],
                tags_of(reading),
                event_ms,
                line.live,
                line.size,
                reading,
            )
        )

    def _note_gap(self, moment: Moment) -> None:
        gap_ms = moment.active_ms - self._word_ms
        if self._words and gap_ms < BURST_MS:
            return
        if self._words:
            self._gaps.append(gap_ms)
        self._words += 1
        self._word_ms = moment.active_ms

    def _status(self, status: dict[str, Any], moment: Moment) -> None:
        told = (status["boot"], status["state"], status["ts"])
        boot = -1 if self.facts.boot is None else self.facts.boot
        if status["boot"] < boot or told == self._last_status:
            return
        self._last_status = told
        self.facts.boot = status["boot"]
        if status["state"] == "online" != self.facts.state:
            self.facts.heard_ms, self._heard_active_ms = moment.now_ms, moment.active_ms
        self._becomes(status["state"], moment)

    def _becomes(self, state: State, moment: Moment) -> None:
        if state != self.facts.state:
            self.facts.state, self.facts.since_ms = state, moment.now_ms
            self.states.append((moment.now_ms, state))
            self.told = replace(self.facts)
