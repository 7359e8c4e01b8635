"""The state of a partition rebuilt from its log, and compared with what is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct, field

from schemas.connections import KafkaConnection
from schemas.readings import BELIEVED_AHEAD_MS
from schemas.topics import STATE, TELEMETRY
from streams import state as states
from streams.compare import Comparison, Scope
from streams.logreader import batches, last_by_key, reading
from streams.partition import Partition
from streams.site import Site
from streams.state import SiteState, State, encoded
from streams.store import Store
from streams.takeover import LogView, check, newest_of

Progress = Callable[[int, int, int], None]
"""(partition, records read, records to read)."""
_NEVER_MS: Final = 2**62


class Verdict(Struct):
    """What `verify_partition` found. ``offset`` is that of the state, -1 where none is kept."""

    partition: int
    offset: int = -1
    sites: int = 0
    comparison: Comparison = field(default_factory=Comparison)
    left_out: list[str] = field(default_factory=list)
    """Sentences about what was not compared, and why."""


async def verify_partition(kafka: KafkaConnection, part: Partition, progress: Progress) -> Verdict:
    """Fold a partition's log as far as each site's state goes, and compare.

    The state is read once, so that workers may go on meanwhile. ``part`` is an empty
    partition with the rules and expected devices in force. Memory: the kept state, the rebuilt
    one, and one fetch.

    Raises:
        StateError: the state cannot be read, or was made of another log.
        aiokafka.errors.KafkaError: Kafka went away, or refuses.
        TimeoutError: it does not answer.
    """
    verdict = Verdict(part.number)
    async with reading(kafka) as consumer:
        records = await last_by_key(consumer, STATE, part.number)
        kept = states.load({key: one.value for key, one in records.items()})
        del records
        if kept is None:
            verdict.left_out.append("no state is kept yet")
            return verdict
        view = await look_at(kafka, part.number, kept)
        check(part.number, kept, view)
        verdict.offset = newest_of(kept)
        verdict.sites = len(kept.sites)
        since_ms = await _since(kafka, part.number, kept, view)
        scope = Scope(alerts=kept.rules == part.rules.version, since_ms=since_ms)
        await _Rebuild(part, kept, verdict, scope).run(consumer, view, progress)
    _explain(verdict, scope)
    return verdict


async def look_at(kafka: KafkaConnection, number: int, state: State | None) -> LogView:
    """The log of a partition, with the mark at the state's offset."""
    at = state.mark.offset if state and state.mark else None
    return (await Store(kafka).look_at_log({number: at}))[number]


async def begun_at(kafka: KafkaConnection, number: int, view: LogView) -> int:
    """From when on (ms) windows of a log are whole: 0 where its beginning is there.

    A reading may have come before the first record that is left, and be of a window after it:
    its device's clock may be ahead.
    """
    if not view.first:
        return 0
    first = (await Store(kafka).look_at_log({number: view.first}))[number]
    return _NEVER_MS if first.mark is None else first.mark.timestamp_ms + BELIEVED_AHEAD_MS


async def _since(kafka: KafkaConnection, number: int, kept: State, view: LogView) -> int | None:
    if not view.first and not kept.begun_ms:
        return None
    return max(kept.begun_ms, await begun_at(kafka, number, view))


class _Rebuild:
    """The fold of a log up to each site's own offset, where it is compared."""

    def __init__(self, part: Partition, kept: State, verdict: Verdict, scope: Scope) -> None:
        self._part = part
        self._verdict = verdict
        self._scope = scope
        self._due: dict[int, list[SiteState]] = defaultdict(list)
        for site in kept.sites:
            self._due[site.fence].append(site)
        self._header = newest_of(kept)
        self._names = {site.name for site in kept.sites}

    async def run(self, consumer: AIOKafkaConsumer, view: LogView, progress: Progress) -> None:
        """Fold, compare, and see whether the log knows sites that are not kept."""
        part, verdict = self._part, self._verdict
        part.begin(view.first)
        last = max([self._header, *self._due])
        tp = TopicPartition(TELEMETRY, part.number)
        async for records in batches(consumer, tp, view.first, last + 1):
            for record in records:
                part.fold(record.offset, record.timestamp, record.value, record.headers)
                for kept in self._due.pop(record.offset, ()):
                    self._compare(kept)
                if record.offset == self._header:
                    self._look_for_others()
            progress(part.number, part.last + 1 - view.first, last + 1 - view.first)
        gone = [site.name for sites in self._due.values() for site in sites]
        if gone:
            verdict.left_out.append(
                f"the log no longer holds the records that the state of {_sites(gone)} ends at"
            )

    def _compare(self, kept: SiteState) -> None:
        site = self._part.sites.get(kept.name)
        rebuilt = None if site is None else snapshot_of(site, self._part)
        self._verdict.comparison.site(kept, rebuilt, self._scope)

    def _look_for_others(self) -> None:
        for name, site in self._part.sites.items():
            # expected devices are known from the start of a worker on, readings from the log
            if name not in self._names and any(one.feeds for one in site.devices.values()):
                self._verdict.comparison.unknown_site(name)


def snapshot_of(site: Site, part: Partition) -> SiteState:
    """A site as it would be kept now."""
    clock = msgspec.structs.replace(part.clock)
    chunks = [one for chunk in site.snapshot() for one in encoded(chunk)]
    return SiteState(site.name, part.last, clock, chunks)


def _explain(verdict: Verdict, scope: Scope) -> None:
    left_out = verdict.left_out
    if scope.since_ms is not None:
        left_out.append(
            "the log's beginning is gone: only open windows that began after it were compared"
        )
    elif not scope.alerts:
        left_out.append("the state was made by other rules than these: alerts were not compared")
    changed = verdict.comparison.expected_changed
    if changed:
        left_out.append(
            f"{changed} device{'s' if changed > 1 else ''} of the list of expected devices: since "
            "when it is expected is not in the log"
        )
    unknown = verdict.comparison.before_unknown
    if unknown:
        left_out.append(
            f"{unknown} device{'s' if unknown > 1 else ''} whose last reset of counters is older "
            "than version 5 of the state: the names of before it are not kept"
        )


def _sites(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown  # noqa: PLR2004
