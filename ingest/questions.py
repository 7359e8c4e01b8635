"""SUBSCRIBE and UNSUBSCRIBE of one connection, and the answers that they wait for. No socket."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Final

import mqtt5

from ingest.errors import MqttError
from ingest.packets import check_codes

FIRST_CONTROL_ID: Final = 65_001
"""Packet ids from here on are SUBSCRIBE's and UNSUBSCRIBE's, so PUBLISH never meets them."""
_MOST_TIMES: Final = 30
"""How often the time of an answer may begin again."""


class Questions:
    """What was asked of the server and is not answered yet, by packet id."""

    def __init__(
        self, send: Callable[[bytes], None], timeout_s: float, *, before: Callable[[], object]
    ) -> None:
        """Take what sends a packet's bytes, and how long an answer may take.

        ``before`` gives another thing as long as messages come, or are held back: an answer stands
        behind those that the server sent before, and its time begins after them. It is waited for
        at most thirty times as long: a server that never answers may send messages all the same.
        """
        self._send = send
        self._timeout_s = timeout_s
        self._before = before
        self._ids = itertools.cycle(range(FIRST_CONTROL_ID, 65_536))
        self._answers: dict[int, asyncio.Future[Sequence[int]]] = {}
        self._ended: Exception | None = None

    async def subscribe(
        self, filters: Sequence[mqtt5.TopicFilter], subscription_id: int | None
    ) -> None:
        """SUBSCRIBE, and wait for its SUBACK. Raises as `MqttLink.subscribe` says."""
        packet_id = next(self._ids)
        packet = mqtt5.SubscribePacket(packet_id, list(filters), subscription_id=subscription_id)
        codes = await self._ask(packet_id, packet.write())
        check_codes("subscription to", [one.pattern for one in filters], codes)

    async def unsubscribe(self, patterns: Sequence[str]) -> None:
        """UNSUBSCRIBE, and wait for its UNSUBACK. Raises as `MqttLink.unsubscribe` says."""
        packet_id = next(self._ids)
        packet = mqtt5.UnsubscribePacket(packet_id, list(patterns))
        codes = await self._ask(packet_id, packet.write())
        check_codes("end of the subscription to", patterns, codes)

    async def _ask(self, packet_id: int, packet: bytes) -> Sequence[int]:
        if self._ended is not None:
            raise self._ended
        answer: asyncio.Future[Sequence[int]] = asyncio.get_running_loop().create_future()
        self._answers[packet_id] = answer
        self._send(packet)
        try:
            seen = self._before()
            for _ in range(_MOST_TIMES):
                await asyncio.wait({answer}, timeout=self._timeout_s)
                if answer.done():
                    return answer.result()
                last, seen = seen, self._before()
                if seen == last:
                    break
            raise MqttError("the MQTT broker did not answer in time; is it overloaded?")
        finally:
            self._answers.pop(packet_id, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # taken note of, also where nobody waits any more

    def answered(self, packet: mqtt5.SubAckPacket | mqtt5.UnsubAckPacket) -> None:
        """An answer has come; one that nobody waits for any more is dropped."""
        answer = self._answers.get(packet.packet_id)
        if answer is not None and not answer.done():
            answer.set_result([int(code) for code in packet.reason_codes])

    def end(self, error: Exception) -> None:
        """The connection is over: what waits, or is asked yet, fails with ``error``."""
        self._ended = error
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(error)
