"""Writes a simulated past by the InfluxDB sink's own writers, one for each retention policy."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from infra.simulator.past.errors import FillError
from infra.simulator.past.history import History
from schemas.clock import Clock
from sinks.contract import Sink, Trouble, Written
from sinks.errors import plain_errors
from sinks.policy_writer import Chunk, policy_writers
from sinks.settings import InfluxSinkSettings

_EXPIRES_SOON_MS: Final = 3_600_000
"""What expires while it is written isn't written: it would only be refused."""
_WAITING_ROWS: Final = 100_000
_TURN_S: Final = 0.05
_LOOK_EVERY_S: Final = 1.0
_TOPIC: Final = "simulated"

Told = Callable[[float], None]
"""Told the share that is done, 0 to 1."""


class Writers:
    """The writers of all policies, and the loop that feeds them.

    ``accepted`` counts rows by policy, ``expired`` those that InfluxDB found too old.
    """

    def __init__(self, sink: Sink, clock: Clock, *, give_up_s: float = 60.0) -> None:
        """``clock`` tells what has expired; a sink in trouble for ``give_up_s`` is given up."""
        self._clock = clock
        self.accepted: Counter[str] = Counter()
        self.expired = 0
        self._give_up_s = give_up_s
        self._trouble: dict[str, tuple[float, str]] = {}
        random = Random()  # noqa: S311 - jitter, no secret
        self._writers = policy_writers(
            sink,
            InfluxSinkSettings(),
            random,
            settled=self._settled,
            troubled=self._troubled,
        )

    async def write(self, history: History, told: Told) -> None:
        """Write everything that ``history`` gives.

        Raises:
            FillError: InfluxDB is away for too long, or refuses a row.
        """
        with plain_errors():
            async with asyncio.TaskGroup() as tasks:
                writing = [tasks.create_task(writer.run()) for writer in self._writers.values()]
                watching = tasks.create_task(self._watch())
                await self._feed(history, told)
                for writer in self._writers.values():
                    writer.close()
                await asyncio.wait(writing)
                watching.cancel()

    async def _feed(self, history: History, told: Told) -> None:
        """Turn by turn, as long as not too many rows wait."""
        first_ms = history.now_ms
        span_ms = max(history.end_ms - first_ms, 1)
        while not history.ended:
            turn_ends_s = time.monotonic() + _TURN_S
            wall_ms = self._clock.now_us() // 1000 + _EXPIRES_SOON_MS
            while time.monotonic() < turn_ends_s and not history.ended:
                for policy, rows in history.step(wall_ms).items():
                    if rows:
                        self._writers[policy].add(Chunk(rows, _TOPIC))
            told((history.now_ms - first_ms) / span_ms)
            await asyncio.sleep(0)
            while sum(writer.rows for writer in self._writers.values()) > _WAITING_ROWS:
                await asyncio.sleep(_TURN_S)

    async def _watch(self) -> None:
        """Give up where InfluxDB has been in trouble for too long."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for since_s, reason in self._trouble.values():
                if time.monotonic() - since_s > self._give_up_s:
                    raise FillError(f"{reason}; nothing was written for {self._give_up_s:g} s")

    async def _settled(self, policy: str, _chunks: Sequence[Chunk], written: Written) -> None:
        self.accepted[policy] += written.accepted
        self.expired += written.expired
        if written.rejected:
            raise FillError(
                f"InfluxDB refuses a row: {written.rejected[0].reason}; is the database another "
                "program's? Fill one of your own (QALA_INFLUX_DATABASE)"
            )

    def _troubled(self, policy: str, trouble: Trouble | None) -> None:
        if trouble is None:
            self._trouble.pop(policy, None)
        else:
            self._trouble.setdefault(policy, (time.monotonic(), trouble.reason))
