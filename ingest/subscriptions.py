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
from typing import Final, NamedTuple

SHARED_FILTER: Final = "$share/qala/qala/v1/#"
ORDINARY_FILTER: Final = "qala/v1/#"
STATUS_FILTER: Final = "qala/v1/+/+/+/status"
EVERY_FILTER: Final = (SHARED_FILTER, ORDINARY_FILTER, STATUS_FILTER)
"""Whatever a bridge's session may be subscribed to."""


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
    nobody has asked for. Once one is held, one always is, until the next connection.
    """

    def __init__(self) -> None:
        """Begin without a connection, and without knowing of others."""
        self.held: set[How] = set()
        self._ended: set[How] = set()
        self._refused: set[Step] = set()
        self._alone = False

    def members(self, others: AbstractSet[str] | None) -> None:
        """The other bridges that have claims, present or absent; None (as at first): unknown.

        An absent one counts: the broker gives it its share as long as it keeps its session.
        """
        self._alone = others is not None and not others

    def connected(self) -> None:
        """A connection begins: its session may hold anything.

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

    def next(self) -> Step | None:
        """What to ask the broker for; None where nothing is to be done.

        Where what is wanted is refused, the other one is held in its place. Nothing to be done
        and nothing held: both are refused.
        """
        for how in (self.wanted, self.wanted.other):
            if how in self.held:
                end = Step(how.other, ends=True)
                return None if how.other in self._ended or end in self._refused else end
            if Step(how) not in self._refused:
                return Step(how)
        return None

    def asked(self, step: Step) -> None:
        """``step`` is on its way: what it ends may end at any moment, answered or not."""
        (self.held if step.ends else self._ended).discard(step.how)

    def granted(self, step: Step) -> None:
        """The broker has acknowledged ``step``."""
        (self._ended if step.ends else self.held).add(step.how)

    def refused(self, step: Step) -> None:
        """The broker has refused ``step``: it isn't asked for again on this connection."""
        self._refused.add(step)
