"""One site: its devices, windows, throughput and alerts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Any, Final

from schemas.envelope import Line, line_head, line_overhead
from schemas.readings import KIND_OF_TYPE, Reading
from schemas.records import WINDOW_MS, Alert, Rollup
from streams.alerts import AbsentAlert, ValueAlert
from streams.dedup import Verdict
from streams.device import NOT_DUE, Device
from streams.errors import TooManySeriesError
from streams.feed import Feed
from streams.log_clock import LogClock
from streams.outputs import Outbox
from streams.presence import MIN_INTERVAL_MS, STALE_AFTER_INTERVALS, Presence
from streams.rules import STATISTICS, RuleSet, Statistic
from streams.throughput import Meter
from streams.windows import Accumulator, Shape, SiteWindows, Values, shapes
from streams.withdrawn import resolved

SHAPES: Final[dict[type, Shape]] = shapes()
SHAPE_OF_TYPE: Final = {shape.type: shape for shape in SHAPES.values()}
CHUNK_DEVICES: Final = 100
MAX_FEEDS: Final = 2_000
"""Series kept of one device: 500 services with four events each."""
KEPT_FEEDS: Final = 8
"""A device of no more is left alone: its series come again."""
SOONEST_STALE_MS: Final = STALE_AFTER_INTERVALS * MIN_INTERVAL_MS

_STALE: Final = ""
Due = tuple[int, str, str]
"""(on the active clock in ms, device, rule; the empty rule is staleness)."""


class Site:
    """All that is kept of one site.

    ``fence`` is the offset of the last record folded in; ``clock`` is the partition's.
    """

    def __init__(self, name: str, clock: LogClock, rules: RuleSet) -> None:
        """Begin with no device."""
        self.name = name
        self.clock = clock
        self.rules = rules
        self.fence = -1
        self.changed = False
        self.flushed_ms = 0
        self.devices: dict[str, Device] = {}
        self.meters: dict[str, Meter] = {}
        self.windows = SiteWindows()
        self.due: list[Due] = []

    def expect(self, kind: str, device: str, interval_ms: int | None, out: Outbox) -> None:
        """A device that should be there: never seen, until it is heard."""
        if device not in self.devices:
            self._tell(self._device(kind, device, interval_ms), out)

    def feed(self, line: Line, reading: Reading) -> Feed:
        """A new feed, for the first reading of a device, type and tags.

        Raises:
            TooManySeriesError: the device has as many as are kept of one; its readings in
                those go on. Tags are the device's choice (a desk's services), memory is ours.
        """
        shape = SHAPES[type(reading)]
        device = self.devices.get(line.device) or self._device(line.kind, line.device)
        if len(device.feeds) >= MAX_FEEDS:
            raise TooManySeriesError
        return self._feed(device, shape, {tag: getattr(reading, tag) for tag in shape.tags})

    def accepts(self, device: Device, verdict: Verdict, boot: int, out: Outbox) -> bool:
        """Count a reading whose name is not simply new; False for a duplicate."""
        if verdict is Verdict.DUPLICATE:
            device.duplicates += 1
            out.counts.duplicates += 1
            return False
        if verdict is Verdict.UNPROVABLE:
            device.unprovable += 1
            out.counts.unprovable += 1
        else:
            device.generation += 1
            device.presence.boot = boot
            out.counts.resets += 1
        return True

    def hear(self, device: Device, event_ms: int, out: Outbox) -> None:
        """A reading came that may change the device's presence."""
        presence = device.presence
        if presence.state != "online" and not presence.revived_by(event_ms):
            return
        revived = presence.becomes("online", self.clock.now_ms)
        presence.heard(self.clock.now_ms, self.clock.active_ms)
        device.look_at_active_ms = presence.look_at_active_ms
        if revived:
            self._tell(device, out)
        clock = self.clock
        if device.silence_due_ms > clock.active_ms + int(SOONEST_STALE_MS * clock.speed):
            self._await_silence(device)

    def speed_changed(self) -> None:
        """The clock runs at another speed: what is stale is so at another time."""
        for device in self.devices.values():
            device.catch_up()
            self._await_silence(device)

    def open_window(self, feed: Feed, start: int) -> Accumulator:
        """The 10 s window at ``start``, which the feed's next readings are tried with first."""
        held = self.windows.opened(feed, 0, start)
        feed.start = start
        feed.cells = held.cells
        return held

    def judge(self, feed: Feed, values: Values, event_ms: int, out: Outbox) -> None:
        """Let the feed's alerts judge a reading that is not calmly within all limits."""
        for alert, changes in feed.judge(values, event_ms, self.clock.now_ms, self.clock.active_ms):
            self._changed_by(feed, alert, changes, out)

    def _changed_by(self, feed: Feed, alert: ValueAlert, changes: list[Alert], out: Outbox) -> None:
        out.alerts(changes)
        self._await(feed.owned, changes[-1].rule, alert)

    def end_silence(self, feed: Feed, out: Outbox) -> None:
        """A reading came where a silence was not awaited yet, or had become an alert."""
        for rule, silence in feed.silences:
            if silence.due_active_ms is None:
                out.alerts(silence.heard(self.clock.now_ms, self.clock.active_ms))
                self._await(feed.owned, rule, silence)
        feed.unarmed = False

    def fold_status(self, line: Line, out: Outbox, *, live: bool) -> None:
        """Take in a device's status; one that is not ``live`` says nothing of now."""
        device = self.devices.get(line.device) or self._device(line.kind, line.device)
        if line.status is None or not live:
            return
        device.catch_up()
        if device.presence.told(line.status, self.clock.now_ms):
            if device.presence.state == "online":
                device.presence.spoke(self.clock.now_ms, self.clock.active_ms)
                self._await_silence(device)
            device.look_at_active_ms = device.presence.look_at_active_ms
            self._tell(device, out)

    def elapse(self, out: Outbox, begun_ms: int) -> None:
        """Close the windows that have ended, and let silences and ``for`` run out.

        Those that start before ``begun_ms`` are not whole, and go nowhere.
        """
        for feed, row in self.windows.close(self.clock.watermark_ms):
            self.changed = True
            if row.start < begun_ms:
                continue
            out.rollup(row)
            self._judge_window(feed, row, out)
        for meter in self.meters.values():
            for flow in meter.elapse(self.clock.now_ms):
                self.changed = True
                if flow.start >= begun_ms:
                    out.rollup(flow)
        active_ms = self.clock.active_ms
        while self.due and self.due[0][0] <= active_ms:
            self.changed = True
            self._run_out(heappop(self.due), out)

    def tell_devices(self, out: Outbox, *, unchanged: bool) -> None:
        """Send the records of devices that changed, and of those ``unchanged`` where asked to.

        Called once a minute of log time, and once an hour for all devices.
        """
        for device in self.devices.values():
            if unchanged:
                device.told = None
            self._tell(device, out)

    def forget_idle(self) -> Iterator[Feed]:
        """Drop the feeds of a device of many whose windows have all closed; yields them."""
        for device in self.devices.values():
            if len(device.feeds) <= KEPT_FEEDS:
                continue
            device.catch_up()
            gone = [feed for feed in device.feeds if feed.forgettable]
            device.feeds = [feed for feed in device.feeds if not feed.forgettable]
            for meter in self.meters.values() if gone else ():
                meter.feeds = [feed for feed in meter.feeds if feed not in gone]
            yield from gone

    def _judge_window(self, feed: Feed, row: Rollup, out: Outbox) -> None:
        for rule, alert in feed.owned.watches.by_window.get((row.type, row.window), ()):
            value = _statistic(row, rule.field, rule.statistic)
            if value is None:
                continue
            end_ms = row.start + WINDOW_MS[row.window]
            changes = alert.judge(value, end_ms, self.clock.now_ms, self.clock.active_ms)
            if changes:
                self._changed_by(feed, alert, changes, out)

    def _run_out(self, due: Due, out: Outbox) -> None:
        at_ms, device_id, rule = due
        device = self.devices[device_id]
        device.catch_up()
        if rule != _STALE:
            self._run_out_alert(device, rule, out)
            return
        if at_ms != device.silence_due_ms:
            return  # an earlier look took its place
        device.silence_due_ms = NOT_DUE
        stale_ms = device.presence.stale_at_active_ms(self.clock.speed)
        if stale_ms is not None and stale_ms <= self.clock.active_ms:
            device.presence.becomes("stale", self.clock.now_ms)
            device.look_at_active_ms = device.presence.look_at_active_ms
            self._tell(device, out)
        else:
            self._await_silence(device)

    def _run_out_alert(self, device: Device, rule: str, out: Outbox) -> None:
        alert = device.watches.named.get(rule)
        at_ms = None if alert is None else alert.due_active_ms
        if alert is None or at_ms is None:
            return
        clock = self.clock
        if isinstance(alert, AbsentAlert):
            at_ms = max(at_ms, clock.absence_hold_ms)
        if at_ms > clock.active_ms:
            heappush(self.due, (at_ms, device.id, rule))
        elif isinstance(alert, AbsentAlert):
            out.alerts(alert.elapse(clock.now_ms, clock.active_ms, clock.absence_hold_ms))
            for feed in device.feeds:
                feed.unarmed = bool(feed.silences)
        else:
            out.alerts(alert.elapse(clock.now_ms, clock.active_ms))

    def _await(self, device: Device, rule: str, alert: ValueAlert | AbsentAlert) -> None:
        if alert.due_active_ms is not None:
            heappush(self.due, (alert.due_active_ms, device.id, rule))

    def _await_silence(self, device: Device) -> None:
        # It may be looked for too early, which only costs another look; but never too late.
        at_ms = device.presence.stale_at_active_ms(self.clock.speed)
        if at_ms is not None and at_ms < device.silence_due_ms:
            device.silence_due_ms = at_ms
            heappush(self.due, (at_ms, device.id, _STALE))

    def _tell(self, device: Device, out: Outbox) -> None:
        device.catch_up()
        record = device.tells(self.clock.now_ms, self.clock.speed)
        if record is not None:
            self.changed = True
            out.device(record)

    def _device(self, kind: str, device: str, interval_ms: int | None = None) -> Device:
        made = Device(self.name, kind, device, Presence(self.clock.now_ms, interval_ms), self.rules)
        self.devices[device] = made
        return made

    def _feed(self, device: Device, shape: Shape, tags: dict[str, str]) -> Feed:
        kind = KIND_OF_TYPE[shape.type]
        overhead = line_overhead(line_head(self.name, kind, device.id))
        made = Feed(device, shape, tags, overhead)
        siblings = [feed for feed in device.feeds if feed.shape is shape]
        for feed in (*siblings, made) if siblings else ():
            feed.share()
        device.feeds.append(made)
        meter = self.meters.get(kind)
        if meter is None:
            meter = self.meters[kind] = Meter(self.name, kind, self.clock.now_ms)
        meter.feeds.append(made)
        return made

    def withdraw(self, out: Outbox) -> None:
        """Resolve the alerts that were on, and that no rule watches since the state was kept."""
        clock = self.clock
        for device in self.devices.values():
            for saved in device.withdrawn:
                end = resolved(saved, self.name, device.kind, device.id, clock)
                if end is not None:
                    self.changed = True
                    out.alerts([end])
            device.withdrawn = []

    def snapshot(self) -> Iterator[list[Any]]:
        """The site in chunks of at most 100 devices; the first one holds the throughput too."""
        for meter in self.meters.values():
            meter.gather()
        devices = list(self.devices.values())
        for device in devices:
            device.catch_up()
        for begin in range(0, max(len(devices), 1), CHUNK_DEVICES):
            meters = [] if begin else [meter.snapshot() for meter in self.meters.values()]
            chunk = devices[begin : begin + CHUNK_DEVICES]
            now_ms, speed = self.clock.now_ms, self.clock.speed
            yield [meters, [device.snapshot(now_ms, speed) for device in chunk]]

    def take(self, chunks: Iterable[list[Any]]) -> Iterator[Feed]:
        """Take in what `snapshot` gave; yields every feed. Then `withdraw` what no rule watches."""
        for meters, devices in chunks:
            for saved in meters:
                meter = Meter.restore(self.name, saved)
                self.meters[meter.kind] = meter
            for saved in devices:
                yield from self._take_device(saved)

    def _take_device(self, saved: tuple[Any, ...]) -> Iterator[Feed]:
        device = self._device(saved[1], saved[0])
        for kept in device.take(saved, self.clock.now_ms, self.clock.speed):
            feed = self._feed(device, SHAPE_OF_TYPE[kept[0]], dict(kept[1]))
            for level, windows in enumerate(feed.take(kept)):
                for start, held in windows:
                    self.windows.restore(feed, level, start, Accumulator.restore(held))
            yield feed
        self._await_silence(device)
        for rule, alert in device.watches.named.items():
            self._await(device, rule, alert)


def _statistic(row: Rollup, field: str, statistic: Statistic | None) -> float | None:
    if not field or statistic is None:
        return float(row.count)
    stats = row.fields.get(field)
    return None if stats is None else float(stats[STATISTICS.index(statistic)])
