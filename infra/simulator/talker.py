"""The voice of a device in the simulated city: samples at its pace, and events between them."""

from __future__ import annotations

from infra.simulator.plans import DayPlan, Event
from infra.simulator.values import Source


class Talker:
    """What a device says next; a `infra.simulator.values.Source` for `Device.reading`.

    ``sampler`` is None for a device that tells events only, ``events`` for one that has none.
    """

    __slots__ = ("_event", "events", "sampler")

    def __init__(self, sampler: Source | None, events: DayPlan | None = None) -> None:
        """At least one of the two is needed."""
        self.sampler = sampler
        self.events = events
        self._event: Event | None = None

    def happened(self, event: Event) -> None:
        """The next `draw` tells this event."""
        self._event = event

    def forget(self) -> None:
        """What has happened is not told after all."""
        self._event = None

    def draw(self, ts_ms: int) -> tuple[str, str]:
        """The event that has happened, or else a sample of the moment ``ts_ms``."""
        event = self._event
        if event is not None:
            self._event = None
            return event.type, event.fields
        if self.sampler is None:
            raise RuntimeError("a device without a sampler was asked for a sample")
        return self.sampler.draw(ts_ms)
