"""A bridge's subscriptions at the broker: made, changed as other bridges come and go, and ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Set as AbstractSet
from typing import Final

import mqtt5
import structlog

from ingest.errors import MqttError, MqttRefusedError
from ingest.intake import DATA_ID, STATUS_ID, Intake
from ingest.metrics import BridgeCounts
from ingest.mqtt import MqttLink
from ingest.producer import LogWriter
from ingest.subscriptions import (
    EVERY_FILTER,
    RETRY_S,
    STATUS_FILTER,
    How,
    Step,
    Subscriptions,
)
from schemas.readiness import Readiness

_AGAIN_S: Final = 1.0
"""Pause after a question that the broker has not answered in time."""
_QUIET_S: Final = 0.5
"""Nothing waits any more when nothing has come for so long, and the broker answers."""
_NOTE: Final = "subscription"

_log = structlog.get_logger(__name__)


class Subscriber:
    """Does at the broker what `Subscriptions` says, over all connections of one bridge."""

    def __init__(self, readiness: Readiness, counts: BridgeCounts) -> None:
        """Take where refusals are noted, and where is counted what is held."""
        self._readiness = readiness
        self._counts = counts
        self._subscriptions = Subscriptions()
        self._changed = asyncio.Event()
        self._refusals: dict[Step, str] = {}
        self._told: str | None = None

    def members(self, others: AbstractSet[str] | None) -> None:
        """These other bridges have claims (None: unknown); `follow` does what follows from it."""
        self._subscriptions.members(others)
        self._changed.set()

    async def begin(self, link: MqttLink) -> None:
        """Subscribe to what devices say in one of the two ways, and to each status.

        Raises:
            MqttRefusedError: the broker refused both ways, or the statuses.
            MqttError: the connection ended, or the broker did not answer in time.
        """
        subscriptions = self._subscriptions
        subscriptions.begin()
        while not subscriptions.held and (step := subscriptions.next(_now_s())):
            await self._take(link, step)
        # Retained statuses come once, by this ordinary subscription; other brokers than Mosquitto
        # send none on a shared one.
        await link.subscribe(
            [STATUS_FILTER],
            subscription_id=STATUS_ID,
            retained=mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS,
        )

    async def follow(self, link: MqttLink) -> None:
        """Hold what is wanted as other bridges come and go, until the connection ends."""
        while not link.closed.done():
            self._changed.clear()
            self._show()
            step = self._subscriptions.next(_now_s())
            if step is None:
                await self._change_or(self._subscriptions.again_s)
                continue
            try:
                await self._take(link, step)
            except MqttError:
                # unanswered: the connection has ended, or the broker is slow. Asked again, it
                # comes to the same
                await asyncio.sleep(_AGAIN_S)

    def end(self) -> None:
        """The connection has ended: nothing is held, and what was refused is asked anew."""
        self._subscriptions.begin()
        self._show()

    async def _change_or(self, again_s: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(again_s):
                await self._changed.wait()

    async def _take(self, link: MqttLink, step: Step) -> None:
        """Ask for one step; a refusal is raised where it leaves no way, and noted otherwise."""
        subscriptions = self._subscriptions
        subscriptions.asked(step)
        self._show()
        try:
            if step.ends:
                await link.unsubscribe([step.how.value])
            else:
                await link.subscribe(
                    [step.how.value],
                    subscription_id=DATA_ID,
                    retained=mqtt5.RetainHandling.SEND_NEVER,
                )
        except MqttRefusedError as exc:
            subscriptions.refused(step, _now_s())
            self._refusals[step] = str(exc)
            if not subscriptions.held and subscriptions.next(_now_s()) is None:
                raise
        else:
            subscriptions.granted(step)
        self._show()

    def _show(self) -> None:
        """Show what is held, and what the broker's refusals cost now; log a cost when it is new."""
        subscriptions = self._subscriptions
        for how in How:
            self._counts.subscribed[how.name.lower()] = int(how in subscriptions.held)
        step = subscriptions.hindered
        note = None if step is None else f"{self._refusals[step]}; {_cost(step)}"
        self._readiness.note(_NOTE, note)
        if subscriptions.settled:
            self._told = None
        elif note is not None and note != self._told:
            self._told = note
            _log.warning("the broker refuses a subscription", why=note)


def _cost(refused: Step) -> str:
    """What is so as long as ``refused`` is."""
    if refused.ends:
        costs = "each message may be taken twice, and each rejected one make two dead letters"
    elif refused.how is How.SHARED:
        costs = (
            "beside another bridge each message is taken twice, and each rejected one makes two "
            "dead letters"
        )
    else:
        costs = "a restart of the broker loses what devices send before this bridge is back"
    return f"it is asked again every {RETRY_S:.0f} s; until it allows that, {costs}"


def _now_s() -> float:
    return asyncio.get_running_loop().time()


async def unsubscribe_all(link: MqttLink) -> None:
    """Take nothing any more; what the broker has queued for this session still comes."""
    await link.unsubscribe(EVERY_FILTER)


async def until_empty(
    link: MqttLink, writer: LogWriter, intake: Intake, counts: BridgeCounts
) -> None:
    """Wait until the broker has nothing more for an unsubscribed session, and all is in Kafka.

    Packets keep their order: what the broker still had, it sends on the PUBACKs, before it
    answers a question that came behind them.

    Raises:
        MqttError: the connection ended before, or a question was not answered in time.
    """
    while True:
        messages = counts.messages
        await asyncio.sleep(_QUIET_S)
        if intake.acks:
            writer.seal()
            continue
        await unsubscribe_all(link)  # the question
        if messages == counts.messages:
            return
