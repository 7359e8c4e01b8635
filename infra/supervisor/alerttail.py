"""The alerts that are on, and those that ended last, followed while the stack runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from heapq import nlargest
from typing import Any, Final

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from infra.screen import MOST_ALERTS, AlertBoard, AlertRow
from schemas.connections import KafkaConnection
from schemas.records import Alert, decode_alert
from schemas.topics import ALERTS

_RETRY_S: Final = 5.0
_POLL_MS: Final = 500
_log = structlog.stdlib.get_logger()


class Alerts:
    """What a log of state changes comes to: the alerts that fire, and the last that ended."""

    def __init__(self) -> None:
        """Nothing has been read."""
        self._firing: dict[str, Alert] = {}
        self._ended: list[Alert] = []

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """The next record of the topic; changes of one alert come in their order.

        Raises:
            msgspec.DecodeError: it is no alert.
        """
        if value is None:
            self._firing.pop((key or b"").decode(errors="replace"), None)
            return
        alert = decode_alert(value)
        if alert.state == "firing":
            self._firing[alert.id] = alert
            return
        self._firing.pop(alert.id, None)
        if alert.fired:  # what was only pending never reached anybody
            self._ended = nlargest(MOST_ALERTS, [alert, *self._ended], key=_newest)

    def board(self, *, complete: bool) -> AlertBoard:
        """What fires, then what ended, the newest first; ``complete`` once all of it is read."""
        firing = nlargest(MOST_ALERTS, self._firing.values(), key=_newest)
        rows = [*firing, *self._ended][:MOST_ALERTS]
        return AlertBoard(rows=list(_rows(rows)), firing=len(self._firing), complete=complete)


def _newest(alert: Alert) -> tuple[int, int]:
    return alert.at, alert.ordinal


def _rows(alerts: Iterable[Alert]) -> Iterable[AlertRow]:
    today = datetime.now(UTC).date()
    for alert in alerts:
        at = datetime.fromtimestamp(alert.at / 1000, UTC)
        yield AlertRow(
            at=at.strftime("%H:%M:%S" if at.date() == today else "%d %b %H:%M"),
            state=alert.state,
            severity=alert.severity,
            rule=alert.rule,
            summary=alert.summary,
        )


class AlertTail:
    """Reads `qala.alerts.v1`, without a group: all that it holds, and then what comes."""

    def __init__(self, kafka: KafkaConnection) -> None:
        """Nothing is read before `follow`."""
        self._kafka = kafka
        self._alerts = Alerts()
        self._complete = False

    def board(self) -> AlertBoard:
        """What the screen shows of them now."""
        return self._alerts.board(complete=self._complete)

    async def follow(self) -> None:
        """Read until cancelled; an absent Kafka is asked again every 5 s."""
        while True:
            try:
                await self._read()
            except (KafkaError, OSError) as exc:
                _log.info("alerts cannot be followed", error=type(exc).__name__)
            await asyncio.sleep(_RETRY_S)

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(
            ALERTS,
            **self._kafka.client_args(),
            enable_auto_commit=False,
            # from its beginning: what fires may have begun long before us
            auto_offset_reset="earliest",
        )
        await consumer.start()
        self._alerts, self._complete = Alerts(), False
        try:
            while True:
                for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                    for record in records:
                        self._take(record)
                if not self._complete:
                    self._complete = await _at_end(consumer)
        finally:
            await consumer.stop()

    def _take(self, record: Any) -> None:  # noqa: ANN401 - aiokafka has no types
        try:
            self._alerts.take(record.key, record.value)
        except msgspec.DecodeError:
            _log.warning("a record is no alert", partition=record.partition, offset=record.offset)


async def _at_end(consumer: Any) -> bool:  # noqa: ANN401 - aiokafka has no types
    ends = await consumer.end_offsets(consumer.assignment())
    return bool(ends) and all([await consumer.position(tp) >= end for tp, end in ends.items()])
