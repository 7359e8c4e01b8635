"""Adoption: what waits for a bridge that won't come back is brought into Kafka, and its share ends.

It runs as that bridge does, under its id and with its code, but subscribes to nothing and does
not tick. The races end as for two bridges with one id: the later claim wins. What was not
acknowledged when an adoption ends stays in the session, or is with whoever has taken that over.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from ingest.bridge import Bridge
from ingest.errors import AdoptionError, SessionTakenOverError
from ingest.intake import STATUS_ID, Intake
from ingest.metrics import BridgeCounts
from ingest.mqtt import MqttLink
from ingest.persons import PersonKey
from ingest.producer import LogWriter
from ingest.roster import lives
from ingest.settings import BridgeSettings
from ingest.subscriber import unsubscribe_all, until_empty
from ingest.subscriptions import STATUS_FILTER
from schemas.clock import Clock
from schemas.connections import KafkaConnection, MqttConnection
from schemas.readiness import Readiness


async def run_adoption(
    settings: BridgeSettings,
    *,
    mqtt: MqttConnection,
    kafka: KafkaConnection,
    clock: Clock,
    key: PersonKey,
    readiness: Readiness,
    registry: CollectorRegistry,
    stop: asyncio.Event,
) -> int:
    """Empty the session of the bridge that ``settings`` are of, and end it; gives how many.

    Counted are MQTT messages that are in Kafka and acknowledged.

    Raises:
        AdoptionError: the bridge lives, there is no session, or it was ended before it was empty.
        MqttError: the broker cannot be reached at the start, or does not let this client in.
        KafkaRefusedError: Kafka does not let this client in.
    """
    if await lives(mqtt, settings.client_id, secrets.token_hex(8)):
        raise AdoptionError(
            f"bridge '{settings.id}' lives: it says so at the broker {mqtt}; stop it first, or end "
            "its share where it runs, by: --leave"
        )
    counts = BridgeCounts()
    registry.register(counts)
    adopter = _Adopter(settings, mqtt, kafka, clock, key, readiness, counts, stop)
    try:
        await adopter.run()
    except SessionTakenOverError as exc:
        raise AdoptionError(
            f"bridge '{settings.id}' has come back, or another adoption has begun, and has what "
            f"still waited; messages drained before: {adopter.drained}"
        ) from exc
    finally:
        registry.unregister(counts)
    if not adopter.emptied:
        raise AdoptionError(
            f"stopped; messages drained: {adopter.drained}. What still waits for bridge "
            f"'{settings.id}' stays at the broker: adopt it again"
        )
    return adopter.drained


class _Adopter(Bridge):
    """A bridge that takes what waits, and ends.

    ``drained`` are the messages acknowledged so far, ``emptied`` whether they were all.
    """

    ticks = False
    drained = 0
    emptied = False

    def acknowledger(self, link: MqttLink) -> Callable[[list[int]], None]:
        """Count what is acknowledged."""

        def acknowledge(packet_ids: list[int]) -> None:
            self.drained += len(packet_ids)
            link.ack(packet_ids)

        return acknowledge

    async def work(self, link: MqttLink, writer: LogWriter, intake: Intake) -> None:
        """Take everything, end the session, and take the claim back."""
        if not link.session_present:
            await link.disconnect(end_session=True)  # CONNECT has made an empty one
            await self.give_up_id(writer)
            raise AdoptionError(self._no_session())
        rest = asyncio.get_running_loop().create_task(self._take_all(link, writer, intake))
        await self.carry(link, writer, until=rest)
        await link.disconnect(end_session=True)
        await self.give_up_id(writer)
        self.emptied = True

    def _no_session(self) -> str:
        name = f"bridge '{self.settings.id}'"
        if self.drained:
            return (
                f"the broker has lost the session of {name}; messages drained before: "
                f"{self.drained}"
            )
        return (
            f"the broker {self.mqtt} has no session of {name}: nothing waits there, and it has no "
            "share; see `qala doctor` for the ids of absent bridges"
        )

    async def _take_all(self, link: MqttLink, writer: LogWriter, intake: Intake) -> None:
        await unsubscribe_all(link)
        await until_empty(link, writer, intake, self.counts)
        drained = self.drained
        if self.counts.answers["status"]:
            # those that waited are older than what others have written since: the last one of
            # each device, which the broker retains, has the last word
            await link.subscribe([STATUS_FILTER], subscription_id=STATUS_ID)
            await link.unsubscribe([STATUS_FILTER])
            await until_empty(link, writer, intake, self.counts)
        self.drained = drained
