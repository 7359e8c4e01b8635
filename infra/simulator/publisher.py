"""Publishes messages with QoS 1 over one MQTT connection, and connects again for ever."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from random import Random
from typing import Final

import structlog

from infra.simulator.message import Outgoing
from ingest.errors import MqttError
from ingest.mqtt import MqttLink, connect_mqtt
from ingest.mqtt_options import MqttOptions
from schemas.connections import MqttConnection
from schemas.readiness import Readiness

_LOG = structlog.get_logger()
_REFUSED: Final = 128
_NO_SUBSCRIBER: Final = 16
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0
_UNHEARD_PAUSE_S: Final = 0.2

OnAcknowledged = Callable[[Outgoing], None]
"""Called with each message that the broker took (a reason code below 128)."""


class Lane:
    """One connection: what waits for it, what is unacknowledged, and the link while there is one.

    What was unacknowledged when a connection broke is sent again on the next one, so the broker
    may get it twice (``Outgoing.times`` says so). With ``until_heard``, so is what the broker
    took although nobody had subscribed: it has thrown that away (MQTT 5.0 §3.4.2.1).
    """

    def __init__(
        self,
        mqtt: MqttConnection,
        number: int,
        *,
        client_id: str,
        inflight: int,
        on_acknowledged: OnAcknowledged,
        readiness: Readiness,
        rng: Random,
        until_heard: bool = False,
    ) -> None:
        self.refused = 0
        self.unheard = 0
        """Messages the broker took although nobody had subscribed (reason code 16)."""
        self.broken = 0
        self.idle = asyncio.Event()
        """Set while nothing waits and nothing is unacknowledged."""
        self.idle.set()
        self._mqtt = mqtt
        self._name = f"connection {number}"
        self._options = MqttOptions(client_id=client_id)
        self._window = inflight
        self._on_acknowledged = on_acknowledged
        self._readiness = readiness
        self._rng = rng
        self._until_heard = until_heard
        self._unheard: list[Outgoing] = []
        self._asking = False
        self._backlog: deque[Outgoing] = deque()
        self._in_flight: dict[int, Outgoing] = {}
        self._link: MqttLink | None = None

    @property
    def pending(self) -> int:
        """Messages that wait or are unacknowledged."""
        return len(self._backlog) + len(self._in_flight) + len(self._unheard)

    def offer(self, messages: Iterable[Outgoing]) -> None:
        """Queue messages, and send what the in-flight window allows."""
        self._backlog.extend(messages)
        if self.pending:
            self.idle.clear()
        self._pump()

    async def run(self) -> None:
        """Keep a connection until cancelled.

        Raises:
            MqttError: the broker refuses the client for good.
        """
        pause_s = _FIRST_PAUSE_S
        name = self._name
        while True:
            try:
                link = await connect_mqtt(self._mqtt, self._options, on_puback=self._acknowledged)
            except MqttError as exc:
                if not exc.retryable:
                    raise
                self._readiness.waiting(name, str(exc))
                _LOG.warning("simulator waits for the broker", connection=name, reason=str(exc))
                await asyncio.sleep(pause_s * self._rng.uniform(0.5, 1.5))
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                continue
            pause_s = _FIRST_PAUSE_S
            self._readiness.working(name)
            await self._keep(link)

    async def _keep(self, link: MqttLink) -> None:
        self._link = link
        try:
            self._pump()
            error = await asyncio.shield(link.closed)
        except asyncio.CancelledError:
            await link.disconnect()
            raise
        finally:
            self._link = None
        if error is not None and getattr(error, "retryable", True) is False:
            raise error
        self.broken += 1
        # sent again in their old order, ahead of what has waited behind them
        self._backlog.extendleft(reversed(self._in_flight.values()))
        self._in_flight.clear()
        self._take_back()
        self._readiness.waiting(self._name, "the connection broke")
        _LOG.warning("simulator lost the broker", connection=self._name, reason=str(error))

    def _pump(self) -> None:
        link = self._link
        if link is None or link.closed.done() or self._unheard:
            return
        backlog, in_flight = self._backlog, self._in_flight
        window = 1 if self._asking else self._window
        room = min(window - len(in_flight), link.free_ids, len(backlog))
        publish = link.publish
        for _ in range(room):
            if not link.writable:
                break
            message = backlog.popleft()
            message.times += 1
            packet_id = publish(message.topic, message.payload, retain=message.retain)
            in_flight[packet_id] = message  # type: ignore[index]  # QoS 1 always gives an id

    def _acknowledged(self, packet_id: int, code: int) -> None:
        message = self._in_flight.pop(packet_id)
        if code == _NO_SUBSCRIBER and self._until_heard and not message.retain:
            self._note_unheard(message)
        elif code < _REFUSED:
            self._asking = False
            self.unheard += code == _NO_SUBSCRIBER
            self._on_acknowledged(message)
        else:
            self.refused += 1
        if self._unheard:
            if not self._in_flight:
                asyncio.get_running_loop().call_later(_UNHEARD_PAUSE_S, self._send_unheard)
        elif self._backlog:
            self._pump()
        elif not self._in_flight:
            self.idle.set()

    def _note_unheard(self, message: Outgoing) -> None:
        """Keep it for another time; nothing new is sent before, so that devices stay in order."""
        self.unheard += not self._asking
        message.times -= 1  # nobody has had it
        self._unheard.append(message)

    def _send_unheard(self) -> None:
        """Send the first of them; the others follow when somebody hears it."""
        self._asking = True
        self._take_back()
        self._pump()

    def _take_back(self) -> None:
        self._backlog.extendleft(reversed(self._unheard))
        self._unheard.clear()
