"""What Mosquitto loses when it is killed: of what it acknowledged, at most since its last save."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from infra.native.mosquitto import SAVED_EVERY_S
from tests.chaos.drain import all_ready
from tests.chaos.load import Load, under_load, verified
from tests.chaos.measure import Grid
from tests.chaos.play import Say
from tests.chaos.processes import Processes
from tests.support.stack import Stack

_BEFORE_S: Final = 12.0
_AFTER_S: Final = 10.0


class Loss(NamedTuple):
    """One kill; ``away`` says that the bridge was not there, so that the broker held all."""

    seed: int
    away: bool
    acknowledged: int
    lost: int
    lost_letters: int
    rate: float

    @property
    def lost_s(self) -> float:
        """Seconds of the load that are lost."""
        return self.lost / self.rate


async def kill_broker(seed: int, load: Load, data: Path, say: Say, *, away: bool) -> Loss:
    """Kill it once under load, start it again, and count what is missing."""
    ledger = data / "ledger.ndjson.gz"
    async with Stack.started(data) as stack, Processes.of(stack, {}) as processes:
        bridge = processes.stages["bridge"]
        for stage in processes.stages.values():
            await stage.start()
        await all_ready(stack, processes)
        async with under_load(stack, load, seed, ledger):
            if away:
                await bridge.stop()
            # somewhere between two saves, and late enough for one to have been made
            await asyncio.sleep(_BEFORE_S + Random(f"broker {seed}").uniform(0, SAVED_EVERY_S))
            await stack.mosquitto.restart(kill=True)
            say(f"Mosquitto was killed with the bridge {'away' if away else 'there'}")
            if away:
                await bridge.start()
            await all_ready(stack, processes)
            await asyncio.sleep(_AFTER_S)
        report = await verified(stack, ledger)
    return Loss(seed, away, report["sent"], report["lost"], report["missing_letters"], load.rate)


def as_grid(losses: Sequence[Loss]) -> Grid:
    """For a page, and for a terminal."""
    return (
        f"Mosquitto killed once under load; it saves every {SAVED_EVERY_S} s",
        ("seed", "bridge", "readings/s", "acknowledged", "lost", "seconds of load", "letters lost"),
        [
            (
                str(one.seed),
                "away" if one.away else "there",
                f"{one.rate:g}",
                f"{one.acknowledged:,}",
                f"{one.lost:,}",
                f"{one.lost_s:.2f}",
                str(one.lost_letters),
            )
            for one in losses
        ],
    )
