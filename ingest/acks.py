"""When a received message may be acknowledged: in receive order, once all of it is in Kafka."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct


class Pending(Struct, gc=False):
    """The first message that waits for a record, by its ``place`` in the order of receiving.

    It stands for all later ones of that record: none of them is acknowledged before it.
    """

    queue: AckQueue
    place: int
    written: bool = False


class AckQueue:
    """The messages of one connection that are not acknowledged yet, in receive order.

    A message is acknowledged when it, and every one before it, is complete (MQTT 5.0 §4.6:
    PUBACKs leave in the order in which the PUBLISH packets came). So it is enough to know the
    first message of each record that is not in Kafka: all before the first of those are complete.

    ``turned`` is called when `full` has changed: with more than ``most`` messages it is True, and
    False again with half of that.
    """

    def __init__(self, most: int | None = None, turned: Callable[[], None] = lambda: None) -> None:
        """Begin empty; nothing is acknowledged before `open`."""
        self._most = sys.maxsize if most is None else most
        self._turned = turned
        self.full = False
        self._send: Callable[[list[int]], None] | None = None
        self._waiting: list[int] = []
        self._acknowledged = 0
        self._pending: deque[Pending] = deque()
        self.received = self._waiting.append
        """Enters a packet id at the end; call `advance` where nothing of the message is written."""

    def __len__(self) -> int:
        """Messages received and not acknowledged."""
        return len(self._waiting)

    def open(self, send: Callable[[list[int]], None]) -> None:
        """From now on give packet ids to ``send`` when their turn has come."""
        self._send = send
        self.advance()

    def close(self) -> None:
        """Forget every message: the connection is over, and they come again on the next one."""
        self._send = None
        self._waiting.clear()
        self._pending.clear()

    def look(self) -> None:
        """Notice that these are too many; called after some were received."""
        if not self.full and len(self._waiting) > self._most:
            self.full = True
            self._turned()

    def pending(self) -> Pending:
        """Let the newest message wait for a record that takes some of it, until `settle`."""
        pending = Pending(self, self._acknowledged + len(self._waiting) - 1)
        self._pending.append(pending)
        return pending

    def advance(self) -> None:
        """Acknowledge the complete messages at the front."""
        if self._send is None:
            return
        pending, waiting = self._pending, self._waiting
        while pending and pending[0].written:
            pending.popleft()
        complete = pending[0].place - self._acknowledged if pending else len(waiting)
        if complete:
            self._acknowledged += complete
            ids = waiting[:complete]
            del waiting[:complete]
            self._send(ids)
            if self.full and len(waiting) <= self._most // 2:
                self.full = False
                self._turned()


def settle(members: Sequence[Pending]) -> None:
    """A record is in Kafka: ``members``, all of one queue, wait for it no more."""
    if members:
        for pending in members:
            pending.written = True
        members[0].queue.advance()
