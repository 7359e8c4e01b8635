"""What a bridge subscribes to, and how it knows that nothing of that waits any more."""

from __future__ import annotations

import asyncio
from typing import Final

import mqtt5

from ingest.intake import ORDINARY_ID, SHARED_ID, Intake
from ingest.metrics import BridgeCounts
from ingest.mqtt import MqttLink
from ingest.producer import LogWriter

SHARED_FILTER: Final = "$share/qala/qala/v1/#"
STATUS_FILTER: Final = "qala/v1/+/+/+/status"
_QUIET_S: Final = 0.5
"""Nothing waits any more when nothing has come for so long, and the broker answers."""


async def subscribe_all(link: MqttLink) -> None:
    """Take a share of everything, and each status.

    Raises:
        MqttRefusedError: the broker refused one of the filters.
        MqttError: the connection ended.
    """
    # Retained statuses come once, by the ordinary subscription; other brokers than Mosquitto
    # send none on a shared one.
    await link.subscribe(
        [SHARED_FILTER], subscription_id=SHARED_ID, retained=mqtt5.RetainHandling.SEND_NEVER
    )
    await link.subscribe(
        [STATUS_FILTER],
        subscription_id=ORDINARY_ID,
        retained=mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS,
    )


async def unsubscribe_all(link: MqttLink) -> None:
    """Take no share any more; what the broker has queued for this session still comes."""
    await link.unsubscribe([SHARED_FILTER, STATUS_FILTER])


async def until_empty(
    link: MqttLink, writer: LogWriter, intake: Intake, counts: BridgeCounts
) -> None:
    """Wait until the broker has nothing more for an unsubscribed session, and all is in Kafka.

    Packets keep their order: what the broker still had, it sends on the PUBACKs, before it
    answers a question that came behind them.

    Raises:
        MqttError: the connection ended before.
    """
    while True:
        messages = counts.messages
        await asyncio.sleep(_QUIET_S)
        if intake.acks:
            writer.seal()
            continue
        await link.unsubscribe([SHARED_FILTER])  # the question
        if messages == counts.messages:
            return
