"""One partition of the telemetry log, folded record by record.

Each site is fenced by the offset of the last record folded into it. After a crash the log is
read again from the oldest fence on, and a site takes no record twice; what it gave out before
is given out again with the same key and value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from traceback import extract_tb
from typing import Any, Final

import msgspec
import structlog

from schemas import topics
from schemas.deadletters import (
    EXPLAINED,
    HEADER_BRIDGE,
    HEADER_DETAIL,
    HEADER_REASON,
    HEADER_RX,
    HEADER_TOPIC,
    REPLAY_BRIDGE,
    Reason,
)
from schemas.envelope import Headers, Line, decode_envelope, decode_line, header, speed_in
from schemas.measurements import LIVENESS_EVERY_MS, TAG_FIELDS
from schemas.readings import BELIEVED_AHEAD_MS, READING_STRUCTS, Reading
from schemas.topics import partition_of
from streams.alerts import MAX_BEHIND_MS
from streams.errors import TooManySeriesError
from streams.feed import Feed
from streams.log_clock import LogClock
from streams.outputs import Counts, Outbox, Output
from streams.rules import RuleSet
from streams.site import Site
from streams.state import Mark, SiteState, State, decoded, encoded
from streams.windows import SPANS_MS, LatePartials, fold_values

FLUSH_AFTER_MS: Final = 5_000
"""State is flushed after so much log time (times the clock's speed)."""
SITE_AT_LEAST_MS: Final = 60_000
"""An unchanged site is flushed after so much log time too, so that a replay is short."""
WINDOW_10S: Final = SPANS_MS[0]
TAGS: Final = {
    struct: attrgetter(*TAG_FIELDS[name]) if TAG_FIELDS[name] else None
    for name, struct in READING_STRUCTS.items()
}
_HEAP_STEP_MS: Final = 1_000
_AT_FIRST_RECORD: Final = -1

log = structlog.get_logger("streams.partition")

ExpectedDevice = tuple[str, str, str, int | None]
"""(site, kind, device, interval in ms) of a device that should be there."""


class Partition:
    """The state of one partition, and the fold that moves it on.

    ``next`` is the offset that the fold expects; ``last`` the last one folded (-1 before any).
    """

    def __init__(
        self, number: int, partitions: int, rules: RuleSet, expected: Sequence[ExpectedDevice] = ()
    ) -> None:
        """Begin empty; `load` takes over what was kept."""
        self.number = number
        self.partitions = partitions
        self.rules = rules
        self.clock = LogClock()
        self.sites: dict[str, Site] = {}
        self.counts = Counts()
        self.last = -1
        self.flushed_ms = 0
        self.begun_ms = 0
        self._newest: tuple[int, int, bytes | None] | None = None
        self._mark: Mark | None = None
        self._feeds: dict[tuple[Any, ...], tuple[Feed, Site]] = {}
        self._expected = [one for one in expected if partition_of(one[0], partitions) == number]

    def load(self, state: State) -> list[Output]:
        """Take over a state; the fold goes on behind the oldest offset in it.

        Returns the ends of alerts that no rule watches any more.
        """
        out = Outbox(self.counts)
        self.last = state.last
        self.clock = state.clock
        self.flushed_ms = self.clock.now_ms
        for saved in state.sites:
            site = self.sites[saved.name] = Site(saved.name, saved.clock, self.rules)
            for feed in site.take(map(decoded, saved.chunks)):
                self._feeds[_feed_key(feed)] = (feed, site)
            site.withdraw(out)
            site.fence = saved.fence
            site.flushed_ms = saved.clock.now_ms
            site.clock = self.clock
        self.begun_ms = state.begun_ms
        if state.mark is not None and state.mark.offset == state.last:
            self._mark = state.mark
        return out.outputs

    def end(self) -> list[Output]:
        """Resolve every alert that is on: nothing is folded after this, and nobody takes over."""
        out = Outbox(self.counts)
        for site in self.sites.values():
            for device in site.devices.values():
                device.catch_up()
                device.withdrawn = device.saved_alerts()
            site.withdraw(out)
        return out.outputs

    def begin(self, first: int) -> None:
        """Begin without a state, at the ``first`` offset that the log still has.

        Where records before it are gone, the windows that they belonged to are never whole
        again: their rows, which somebody may have written, are not given out anew.
        """
        self.last = first - 1
        self.begun_ms = _AT_FIRST_RECORD if first > 0 else 0

    @property
    def folded(self) -> bool:
        """Whether anything was folded since it was taken over."""
        return self._newest is not None

    def fold(
        self, offset: int, timestamp_ms: int, value: bytes | None, headers: Headers = ()
    ) -> list[Output]:
        """Fold one record in and return what it gives; ``offset`` must be newer than `last`.

        A line that cannot be taken in becomes a dead letter and harms no other. The record that
        takes the clock over a boundary of `LIVENESS_EVERY_MS` gives, last, how far we are.
        """
        out = Outbox(self.counts)
        self.counts.records += 1
        if self.begun_ms == _AT_FIRST_RECORD:
            self.begun_ms = timestamp_ms + BELIEVED_AHEAD_MS
        before_ms, before_active_ms = self.clock.now_ms, self.clock.active_ms
        watermark_ms = self.clock.watermark_ms
        speed_before = self.clock.speed
        speed = speed_in(headers) if headers else None
        if self.clock.advance(timestamp_ms, speed):
            self.counts.outages += 1
        if self.clock.speed != speed_before:
            for site in self._sites_behind(offset):
                site.speed_changed()
        if self._expected:
            self._expect(offset, out)
        if (
            self.clock.watermark_ms // SPANS_MS[0] != watermark_ms // SPANS_MS[0]
            or self.clock.now_ms // SPANS_MS[0] != before_ms // SPANS_MS[0]
            or self.clock.active_ms // _HEAP_STEP_MS != before_active_ms // _HEAP_STEP_MS
        ):
            self._elapse(offset, before_ms, out)
        if value:
            self._fold_lines(offset, value, headers, out)
        self.last = offset
        self._newest = (offset, timestamp_ms, value)
        step_ms = int(LIVENESS_EVERY_MS * self.clock.speed)
        if self.clock.now_ms // step_ms != before_ms // step_ms:
            out.progress(self.number, self.partitions, self.clock.now_ms, speed)
        return out.outputs

    def _elapse(self, offset: int, before_ms: int, out: Outbox) -> None:
        minute = self.clock.now_ms // SPANS_MS[1] != before_ms // SPANS_MS[1]
        hour = self.clock.now_ms // SPANS_MS[2] != before_ms // SPANS_MS[2]
        for site in self._sites_behind(offset):
            site.elapse(out, self.begun_ms)
            if minute:
                site.tell_devices(out, unchanged=hour)
                for feed in site.forget_idle():
                    del self._feeds[_feed_key(feed)]

    def _sites_behind(self, offset: int) -> Iterator[Site]:
        return (site for site in self.sites.values() if site.fence < offset)

    def _fold_lines(self, offset: int, value: bytes, headers: Headers, out: Outbox) -> None:
        raw = value.split(b"\n")
        if not raw[-1]:
            raw.pop()
        self.counts.lines += len(raw)
        lines: Sequence[Line | None]
        try:
            lines = decode_envelope(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            lines = ()
        if len(lines) != len(raw):
            lines = [self._decoded(one, headers, out) for one in raw]
        # a letter that was mended is from when it was received first: no sign of life now
        live = header(headers, HEADER_BRIDGE) != REPLAY_BRIDGE
        late = LatePartials(offset, self.clock, live=live)
        fold = self._fold_reading
        for line, text in zip(lines, raw, strict=True):
            if line is None:
                continue
            try:
                fold(line, offset, len(text), late, out)
            except TooManySeriesError:
                out.dead_letter(text, self._not_folded(headers))
            except Exception as exc:  # noqa: BLE001 -- one line must not stop the log
                # neither the line nor the error's text, which may quote it
                frame = extract_tb(exc.__traceback__)[-1]
                log.error(  # noqa: TRY400 -- as above
                    "a line could not be folded",
                    partition=self.number,
                    offset=offset,
                    error=type(exc).__name__,
                    where=f"{frame.name}:{frame.lineno}",
                )
                out.dead_letter(text, self._not_folded(headers))
        for row in late.rows():
            out.rollup(row)

    def _fold_reading(  # noqa: C901, PLR0912, PLR0915 -- a call here costs more than a line
        self, line: Line, offset: int, length: int, late: LatePartials, out: Outbox
    ) -> None:
        """The hot path: one reading, with everything that rarely happens moved elsewhere."""
        reading: Any = line.reading
        if reading is None:
            self._fold_other(line, offset, late, out)
            return
        kind = type(reading)
        tags = TAGS[kind]
        key = (
            (line.site, line.device, kind)
            if tags is None
            else (line.site, line.device, kind, tags(reading))
        )
        found = self._feeds.get(key)
        if found is None:
            found = self._feeds[key] = self._feed(line, reading, offset)
        feed, site = found
        if offset <= site.fence:
            self.counts.replayed += 1
            return
        site.changed = True
        counts = out.counts
        device = feed.owned
        now_ms, active_ms = late.now_ms, late.active_ms
        event_ms: int = reading.ts
        seq = reading.seq
        at = line.at
        if (
            at is None
            and seq == device.next_seq
            and reading.boot == device.boot
            and event_ms > device.reset_ms
        ):
            device.next_seq = seq + 1
            if event_ms > device.newest_ms:  # noqa: PLR1730 -- max() is slower
                device.newest_ms = event_ms
        else:
            verdict = device.see(reading.boot, seq, event_ms, now_ms, believed=at is None)
            if verdict and not site.accepts(device, verdict, reading.boot, out):
                return
        if at is not None:
            event_ms = at
            length -= len(f',"at":{at}')
        device.wrong_clock = at is not None
        if late.live:
            if active_ms >= device.look_at_active_ms:
                site.hear(device, event_ms, out)
            feed.heard_ms, feed.heard_active_ms = now_ms, active_ms
        feed.readings += 1
        feed.bytes += length - feed.overhead
        values = feed.values(reading)
        start = event_ms - event_ms % WINDOW_10S
        if start == feed.start:
            fold_values(feed.cells, values)
        elif start + WINDOW_10S > late.watermark_ms:
            site.open_window(feed, start).add(values)
        else:
            counts.late += 1
            device.late += 1
            late.add(site.windows, feed, event_ms, values)
        if feed.people_place >= 0:
            feed.count_people(values, event_ms)
        if feed.calm_from_ms <= event_ms >= now_ms - MAX_BEHIND_MS:
            for place, low, high in feed.limits:
                value = values[place]
                if value is None or not low <= value <= high:
                    site.judge(feed, values, event_ms, out)
                    break
            else:
                feed.calm_from_ms = event_ms
        elif feed.judges:
            site.judge(feed, values, event_ms, out)
        if feed.unarmed and late.live:
            site.end_silence(feed, out)
        counts.accepted += 1

    def _feed(self, line: Line, reading: Reading, offset: int) -> tuple[Feed, Site]:
        site = self.sites.get(line.site) or self._site(line.site, offset)
        return site.feed(line, reading), site

    def _fold_other(self, line: Line, offset: int, late: LatePartials, out: Outbox) -> None:
        site = self.sites.get(line.site) or self._site(line.site, offset)
        if offset <= site.fence:
            self.counts.replayed += 1
            return
        site.changed = True
        if line.status is not None:
            site.fold_status(line, out, live=late.live)
            self.counts.statuses += 1
        elif line.reply is not None:
            self.counts.replies += 1
        elif line.control is not None:
            self.counts.controls += 1

    def _decoded(self, raw: bytes, headers: Headers, out: Outbox) -> Line | None:
        try:
            return decode_line(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            out.dead_letter(raw, self._not_folded(headers))
            return None

    def _not_folded(self, headers: Headers) -> Headers:
        bridge = header(headers, HEADER_BRIDGE) or ""
        return (
            (HEADER_TOPIC, topics.TELEMETRY.encode()),
            (HEADER_RX, b"%d" % (self.clock.now_ms * 1000)),
            (HEADER_REASON, Reason.NOT_FOLDED.encode()),
            (HEADER_DETAIL, EXPLAINED[Reason.NOT_FOLDED].encode()),
            (HEADER_BRIDGE, bridge.encode()),
        )

    def _expect(self, offset: int, out: Outbox) -> None:
        for name, kind, device, interval_ms in self._expected:
            site = self.sites.get(name) or self._site(name, offset)
            site.expect(kind, device, interval_ms, out)
        self._expected = []

    def _site(self, name: str, offset: int) -> Site:
        made = self.sites[name] = Site(name, self.clock, self.rules)
        made.fence = offset - 1
        made.flushed_ms = self.clock.now_ms
        return made

    def due(self) -> bool:
        """Whether a flush is due by the log's clock."""
        return self.clock.now_ms - self.flushed_ms >= FLUSH_AFTER_MS * self.clock.speed

    def snapshot(self) -> State:
        """What a flush writes: the sites that changed or were last written a minute ago."""
        now_ms = self.clock.now_ms
        at_least_ms = int(SITE_AT_LEAST_MS * self.clock.speed)
        sites = []
        for site in self.sites.values():
            if site.fence > self.last:
                continue
            site.fence = self.last
            if not site.changed and now_ms - site.flushed_ms < at_least_ms:
                continue
            site.changed = False
            site.flushed_ms = now_ms
            clock = msgspec.structs.replace(self.clock)
            chunks = [part for chunk in site.snapshot() for part in encoded(chunk)]
            sites.append(SiteState(site.name, self.last, clock, chunks))
        self.flushed_ms = now_ms
        clock = msgspec.structs.replace(self.clock)
        mark = self._mark if self._newest is None else Mark.of(*self._newest)
        return State(self.last, clock, sites, self.begun_ms, mark, self.rules.version)


def _feed_key(feed: Feed) -> tuple[Any, ...]:
    struct = READING_STRUCTS[feed.shape.type]
    if not feed.tags:
        return (feed.site, feed.device, struct)
    values = tuple(feed.tags.values())
    return (feed.site, feed.device, struct, values[0] if len(values) == 1 else values)
