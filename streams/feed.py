"""One series of readings as the fold meets it: everything that its next reading touches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from schemas.records import Alert
from streams.alerts import AbsentAlert, ValueAlert
from streams.windows import Series, Shape

if TYPE_CHECKING:
    from streams.device import Device

NEVER_CALM: Final = 2**63


class Feed(Series):
    """A (device, type, tags) with its windows, and what is counted of it.

    ``readings`` and ``bytes`` are since the meter last looked.
    ``judges`` are (place in the shape's values, alert), ``silences`` (rule, alert);
    ``heard_ms`` and ``heard_active_ms`` are when its last reading came.

    While all its alerts are idle, a reading of an event time from ``calm_from_ms`` on whose
    values are within ``limits`` (place, low, high) needs no more than to be noted as judged.
    ``unarmed`` says that a silence is not awaited: the next reading has to see to it.
    """

    __slots__ = (
        "bytes",
        "calm_from_ms",
        "heard_active_ms",
        "heard_ms",
        "judges",
        "limits",
        "newest_ms",
        "overhead",
        "owned",
        "people",
        "people_place",
        "readings",
        "shared",
        "silences",
        "unarmed",
        "values",
    )

    def __init__(self, owned: Device, shape: Shape, tags: dict[str, str], overhead: int) -> None:
        """A feed of the device ``owned``; its lines have ``overhead`` bytes beside the reading."""
        super().__init__(owned.site, owned.id, shape, tags)
        self.owned = owned
        self.overhead = overhead
        self.values = shape.values
        self.readings = 0
        self.bytes = 0
        self.people = 0
        self.people_place = shape.fields.index("people") if "people" in shape.fields else -1
        self.newest_ms = 0
        self.heard_ms = 0
        self.heard_active_ms = 0
        watches = owned.watches
        self.judges: tuple[tuple[int, ValueAlert], ...] = tuple(
            (shape.fields.index(field), alert)
            for field, alert in watches.by_type.get(shape.type, ())
        )
        self.limits = tuple((place, *alert.calm_between) for place, alert in self.judges)
        self.calm_from_ms = NEVER_CALM
        self.shared = False
        self.silences: tuple[tuple[str, AbsentAlert], ...] = tuple(
            watches.absent.get(shape.type, ())
        )
        self.unarmed = bool(self.silences)

    def forget_counts(self) -> None:
        """The meter has taken over what was counted."""
        self.owned.readings += self.readings
        self.readings = self.bytes = 0

    @property
    def owner(self) -> str:
        """The device."""
        return self.device

    @property
    def direction(self) -> str:
        """``in`` or ``out`` for passages, else empty."""
        return self.tags.get("direction", "")

    @property
    def forgettable(self) -> bool:
        """Whether it has nothing open and nothing uncounted, and is one of many by its tags."""
        return bool(self.tags) and not self.readings and not any(self.open)

    def settle(self) -> None:
        """Tell the alerts what was judged while all was calm."""
        if self.calm_from_ms != NEVER_CALM:
            for _, alert in self.judges:
                alert.judged_calm(self.calm_from_ms)

    def judge(
        self, values: tuple[Any, ...], event_ms: int, now_ms: int, active_ms: int
    ) -> Iterator[tuple[ValueAlert, list[Alert]]]:
        """Let every alert judge its value; yields the state changes."""
        self.settle()
        for place, alert in self.judges:
            value = values[place]
            if value is not None:
                changes = alert.judge(value, event_ms, now_ms, active_ms)
                if changes:
                    yield alert, changes
        # Feeds that share their alerts (a type with tags) are always judged here, and so are
        # alerts that have not all judged the same reading: each is of a field of its own.
        judged_ms = {alert.last_ms for _, alert in self.judges}
        calm = not self.shared and all(alert.idle for _, alert in self.judges)
        self.calm_from_ms = judged_ms.pop() if calm and len(judged_ms) == 1 else NEVER_CALM

    def share(self) -> None:
        """Another feed of the device has the same alerts."""
        self.settle()
        self.shared = True
        self.calm_from_ms = NEVER_CALM

    def count_people(self, values: tuple[Any, ...], event_ms: int) -> None:
        """Note the people of a scene or a bus stop, unless a newer reading told them."""
        people = values[self.people_place]
        if people is not None and event_ms >= self.newest_ms:
            self.people = people
            self.newest_ms = event_ms

    def snapshot(self) -> tuple[Any, ...]:
        """As plain values."""
        windows = [
            [(start, held.snapshot()) for start, held in level.items()] for level in self.open
        ]
        return (
            self.shape.type,
            self.tags,
            self.people,
            self.newest_ms,
            self.heard_ms,
            self.heard_active_ms,
            windows,
        )

    def take(self, saved: tuple[Any, ...]) -> list[list[tuple[int, Any]]]:
        """Take in what `snapshot` gave; the saved windows are returned for the site to open."""
        (_, _, self.people, self.newest_ms, self.heard_ms, self.heard_active_ms, windows) = saved
        return list(windows)
