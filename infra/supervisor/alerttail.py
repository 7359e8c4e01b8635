"""The newest alerts, followed while the stack runs."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from infra.screen import MOST_ALERTS, AlertRow
from schemas.connections import KafkaConnection
from schemas.records import Alert, decode_alert
from schemas.topics import ALERTS

_RETRY_S: Final = 5.0
_log = structlog.stdlib.get_logger()


class AlertTail:
    """Reads `qala.alerts.v1` from its end, without a group, and keeps the last few changes."""

    def __init__(self, kafka: KafkaConnection) -> None:
        """Nothing is read before `follow`."""
        self._kafka = kafka
        self._alerts: deque[Alert] = deque(maxlen=MOST_ALERTS)

    def rows(self) -> list[AlertRow]:
        """The newest first."""
        return [
            AlertRow(
                at=datetime.fromtimestamp(alert.at / 1000, UTC).strftime("%H:%M:%S"),
                state=alert.state,
                severity=alert.severity,
                summary=f"{alert.rule}: {alert.summary}",
            )
            for alert in reversed(self._alerts)
        ]

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
            auto_offset_reset="latest",
        )
        await consumer.start()
        try:
            async for record in consumer:
                self._take(record)
        finally:
            await consumer.stop()

    def _take(self, record: Any) -> None:  # noqa: ANN401 - aiokafka has no types
        if record.value is None:
            return
        try:
            alert = decode_alert(record.value)
            if alert.fired:  # what was only pending never reached anybody
                self._alerts.append(alert)
        except msgspec.DecodeError:
            _log.warning("a record is no alert", partition=record.partition, offset=record.offset)
