"""When a received message may be acknowledged: in receive order, once all of it is in Kafka."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct


class Pending(Struct, gc=False):
    """One received QoS 1 message, and how many records it still waits for (``left``).

    Records are written in a later turn of the loop than the one in which a message is taken in,
    so ``left`` can't fall to 0 before all of its records are counted.
    """

    queue: AckQueue
    packet_id: int
    left: int = 0


class AckQueue:
    """The messages of one connection that are not acknowledged yet, in receive order.

    A message is acknowledged when it, and every one before it, is complete (MQTT 5.0 §4.6:
    PUBACKs leave in the order in which the PUBLISH packets came).
    """

    def __init__(self) -> None:
        """Begin empty; nothing is acknowledged before `open`."""
        self._send: Callable[[list[int]], None] | None = None
        self._waiting: deque[Pending] = deque()

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

    def received(self, packet_id: int) -> Pending:
        """Enter a message at the end; call `advance` where nothing of it is written."""
        pending = Pending(self, packet_id)
        self._waiting.append(pending)
        return pending

    def advance(self) -> None:
        """Acknowledge the complete messages at the front."""
        if self._send is None:
            return
        waiting = self._waiting
        complete = []
        while waiting and not waiting[0].left:
            complete.append(waiting.popleft().packet_id)
        if complete:
            self._send(complete)


def settle(members: Sequence[Pending]) -> None:
    """A record is in Kafka: take it off what ``members``, all of one queue, wait for."""
    if members:
        for pending in members:
            pending.left -= 1
        members[0].queue.advance()
