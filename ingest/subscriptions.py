"""How a bridge is subscribed to what devices say: alone by itself, with others by a share. No I/O.

A broker that restarts keeps the ordinary subscriptions of its sessions, but Mosquitto 2.0 forgets
the shared ones: whatever is published before a bridge is back goes to nobody, though it is
acknowledged. So a bridge that is alone holds an ordinary subscription, and only bridges that are
several share. Each goes over from one to the other by itself; the new subscription is
acknowledged before the old one ends, so a message may come twice, and is never missed. Nothing
depends on what bridges know of one another but how often a message comes.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from enum import Enum
from math import inf
from typing import Final, NamedTuple

SHARED_FILTER: Final = "$share/qala/qala/v1/#"
ORDINARY_FILTER: Final = "qala/v1/#"
STATUS_FILTER: Final = "qala/v1/+/+/+/status"
EVERY_FILTER: Final = (SHARED_FILTER, ORDINARY_FILTER, STATUS_FILTER)
"""Whatever a bridge's session may be subscribed to."""
RETRY_S: Final = 60.0
"""Pause before the broker is asked again for what it has refused on this connection."""


class How(Enum):
    """One of the two subscriptions by which devices' messages come; the value is its filter."""

    SHARED = SHARED_FILTER
    ORDINARY = ORDINARY_FILTER

    @property
    def other(self) -> How:
        """What it takes the place of."""
        return How.ORDINARY if self is How.SHARED else How.SHARED


class Step(NamedTuple):
    """A packet to the broker: SUBSCRIBE, or UNSUBSCRIBE where it ``ends`` the subscription."""

    how: How
    ends: bool = False


class Subscriptions:
    """What one bridge holds, and what it asks for next; tell it of each packet and its answer.

    ``held`` are subscriptions that the broker has acknowledged on this connection and whose end
    nobody has asked for. Once one is held, one always is, until the connection ends. ``now_s`` is
    any clock that doesn't run backwards.
    """

    def __init__(self) -> None:
        """Begin without a connection, and without knowing of others."""
        self.held: set[How] = set()
        self._ended: set[How] = set()
        self._refused: dict[Step, float] = {}
        """When each may be asked again, in s."""
        self._alone = False

    def members(self, others: AbstractSet[str] | None) -> None:
        """The other bridges that have claims, present or absent; None (as at first): unknown.

        An absent one counts: the broker gives it its share as long as it keeps its session.
        """
        self._alone = others is not None and not others

    def begin(self) -> None:
        """A connection begins, or has ended: nothing is held, and the session may hold anything.

        The broker may have lost it, or its shares, or may have gone back to an older state of it;
        what it refused before it may allow now.
        """
        self.held.clear()
        self._ended.clear()
        self._refused.clear()

    @property
    def wanted(self) -> How:
        """The one to hold alone."""
        return How.ORDINARY if self._alone else How.SHARED

    @property
    def settled(self) -> bool:
        """Whether what is wanted is held, and the other one has ended."""
        return self.held == {self.wanted} and self.wanted.other in self._ended

    @property
    def hindered(self) -> Step | None:
        """The refused step for want of which something is held that isn't wanted, or may be.

        None where all is in order or on its way, and where nothing is held at all.
        """
        wanted = self.wanted
        step = Step(wanted.other, ends=True) if wanted in self.held else Step(wanted)
        matters = self.held and not self.settled
        return step if matters and step in self._refused else None

    def next(self, now_s: float) -> Step | None:
        """What to ask the broker for; None where nothing is to be done now.

        Where what is wanted is refused, the other one is held in its place. Nothing to be done
        and nothing held: both are refused.
        """
        for how in (self.wanted, self.wanted.other):
            if how in self.held:
                end = Step(how.other, ends=True)
                return end if how.other not in self._ended and self._may(end, now_s) else None
            if self._may(Step(how), now_s):
                return Step(how)
        return None

    @property
    def again_s(self) -> float | None:
        """When something is to be done again, where that is nothing now; None: not by itself."""
        step = self.next(inf)
        return None if step is None else self._refused.get(step)

    def _may(self, step: Step, now_s: float) -> bool:
        return self._refused.get(step, now_s) <= now_s

    def asked(self, step: Step) -> None:
        """``step`` is on its way: what it ends may end at any moment, answered or not."""
        (self.held if step.ends else self._ended).discard(step.how)

    def granted(self, step: Step) -> None:
        """The broker has acknowledged ``step``."""
        self._refused.pop(step, None)
        (self._ended if step.ends else self.held).add(step.how)

    def refused(self, step: Step, now_s: float) -> None:
        """The broker has refused ``step``: for `RETRY_S` it isn't asked for again."""
        self._refused[step] = now_s + RETRY_S
