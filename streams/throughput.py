"""What each (site, kind) sends: windows of the log's clock, so nothing in them is ever late."""

from __future__ import annotations

from typing import Any, Protocol

from schemas.records import Throughput
from streams.windows import LEVELS, SPANS_MS


class Metered(Protocol):
    """What a meter reads: the readings and bytes that came since it last looked."""

    readings: int
    bytes: int
    people: int

    def forget_counts(self) -> None:
        """Begin to count anew."""

    @property
    def owner(self) -> str:
        """The device."""

    @property
    def direction(self) -> str:
        """``in`` or ``out`` for passages, else empty."""


class Flow:
    """What one (site, kind) sent in one window."""

    __slots__ = ("bytes", "devices", "people_in", "people_out", "readings")

    def __init__(self) -> None:
        """Begin at nothing."""
        self.readings = 0
        self.bytes = 0
        self.people_in = 0
        self.people_out = 0
        self.devices: set[str] = set()

    def merge(self, finer: Flow) -> None:
        """Add a finer window's flow."""
        self.readings += finer.readings
        self.bytes += finer.bytes
        self.people_in += finer.people_in
        self.people_out += finer.people_out
        self.devices |= finer.devices

    def snapshot(self) -> tuple[Any, ...]:
        """As plain values."""
        return (self.readings, self.bytes, self.people_in, self.people_out, sorted(self.devices))

    @classmethod
    def restore(cls, saved: tuple[Any, ...]) -> Flow:
        """The flow that `snapshot` gave."""
        flow = cls()
        flow.readings, flow.bytes, flow.people_in, flow.people_out, devices = saved
        flow.devices = set(devices)
        return flow


class Meter:
    """The open windows of one (site, kind): one at each level, at the starts in ``starts``."""

    __slots__ = ("feeds", "flows", "kind", "site", "starts")

    def __init__(self, site: str, kind: str, now_ms: int) -> None:
        """Begin in the windows that hold ``now_ms``."""
        self.site = site
        self.kind = kind
        self.starts = [now_ms - now_ms % span for span in SPANS_MS]
        self.flows = [Flow() for _ in LEVELS]
        self.feeds: list[Metered] = []

    def gather(self) -> None:
        """Take over what the feeds have counted since the last time."""
        flow = self.flows[0]
        for feed in self.feeds:
            if feed.readings:
                flow.readings += feed.readings
                flow.bytes += feed.bytes
                flow.devices.add(feed.owner)
                if feed.direction == "in":
                    flow.people_in += feed.readings
                elif feed.direction == "out":
                    flow.people_out += feed.readings
                feed.forget_counts()

    def elapse(self, now_ms: int) -> list[Throughput]:
        """Close what has ended by ``now_ms``; ``people`` is the sum of what was last told."""
        if self.starts[0] + SPANS_MS[0] > now_ms:
            return []
        self.gather()
        people = sum(feed.people for feed in self.feeds)
        rows = []
        for level, span in enumerate(SPANS_MS):
            start = self.starts[level]
            if start + span > now_ms:
                break
            flow = self.flows[level]
            if flow.readings:
                rows.append(self._row(level, start, flow, people))
                if level + 1 < len(LEVELS):
                    self.flows[level + 1].merge(flow)
                self.flows[level] = Flow()
            self.starts[level] = now_ms - now_ms % span
        return rows

    def _row(self, level: int, start: int, flow: Flow, people: int) -> Throughput:
        return Throughput(
            window=LEVELS[level],
            site=self.site,
            kind=self.kind,
            start=start,
            readings=flow.readings,
            bytes=flow.bytes,
            devices=len(flow.devices),
            people_in=flow.people_in,
            people_out=flow.people_out,
            people=people,
        )

    def snapshot(self) -> tuple[Any, ...]:
        """As plain values; call `gather` before."""
        return (self.kind, self.starts, [flow.snapshot() for flow in self.flows])

    @classmethod
    def restore(cls, site: str, saved: tuple[Any, ...]) -> Meter:
        """The meter that `snapshot` gave."""
        kind, starts, flows = saved
        meter = cls(site, kind, 0)
        meter.starts = list(starts)
        meter.flows = [Flow.restore(flow) for flow in flows]
        return meter
