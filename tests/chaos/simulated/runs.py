"""Runs by seed, and the run that is cut at every step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from streams.owner import Owner
from tests.chaos.simulated.logs import RUNS_OF_A_LOG, log_of, quiet_fold, quiet_small, small_log
from tests.chaos.simulated.workers import MakeOwner
from tests.chaos.simulated.world import NAMES, Outcome, World
from tests.support.cities import Record

TESTED_SEEDS: Final = 300
"""So many are run by the tests; a planted fault must be found among them."""
SMALL_LOGS: Final = (22, 3, 2)

Cut = Literal["killed, its requests lost", "killed, its requests arrive", "stopped for 12 s"]
CUTS: Final[tuple[Cut, ...]] = (
    "killed, its requests lost",
    "killed, its requests arrive",
    "stopped for 12 s",
)


def run_seed(seed: int, *, make_owner: MakeOwner = Owner, traced: bool = False) -> Outcome:
    """The run of a seed: its log, its troubles, its delays."""
    of_log = seed // RUNS_OF_A_LOG
    world = World(f"run {seed}", log_of(of_log), make_owner=make_owner, traced=traced)
    return world.run(quiet_fold(of_log))


class Found(NamedTuple):
    """A run that went wrong: what was done to it, and what came of it."""

    what: str
    outcome: Outcome


def first_found(
    make_owner: MakeOwner, seeds: int = TESTED_SEEDS, *, naming: str = ""
) -> Found | None:
    """The first of these seeds at which an owner gives anything but what a quiet fold gives.

    A problem must have ``naming`` in its text: rows are named by their topic, ``qala.``.
    """
    for seed in range(seeds):
        outcome = run_seed(seed, make_owner=make_owner)
        if any(naming in problem for problem in outcome.problems):
            return Found(f"--seed {seed}", outcome)
    return None


class CutWorld(World):
    """One worker in fair weather, cut off at one step; a second one comes when it is stopped."""

    def __init__(
        self, logs: list[list[Record]], at: int, cut: Cut, *, make_owner: MakeOwner, traced: bool
    ) -> None:
        super().__init__("cut", logs, make_owner=make_owner, traced=traced)
        self.weather.calm = True
        self._at = at
        self._cut = cut

    def first_workers(self) -> tuple[str, ...]:
        return NAMES[:1]

    def befall(self, step: int) -> None:
        worker = self.workers.get(NAMES[0])
        if step != self._at or worker is None or not worker.process.alive:
            return
        if self._cut == "stopped for 12 s":
            self.freeze(worker, 12.0)
            if self.restarts:
                self.start(NAMES[1])
        else:
            self.kill(worker, lost=1.0 if self._cut == "killed, its requests lost" else 0.0)


def cut_everywhere(
    log: int = SMALL_LOGS[0], *, make_owner: MakeOwner = Owner, every: int = 1
) -> Iterator[Found]:
    """A small log's run, cut in each way at each of its steps (or ``every`` so many)."""
    uncut = cut_at(log, 0, CUTS[0], make_owner=make_owner)
    yield Found(f"log {log}, uncut", uncut)
    for cut in CUTS:
        for at in range(1, uncut.steps + 1, every):
            outcome = cut_at(log, at, cut, make_owner=make_owner)
            if outcome.problems:
                outcome = cut_at(log, at, cut, make_owner=make_owner, traced=True)
            yield Found(f"log {log}, {cut} at step {at} of {uncut.steps}", outcome)


def cut_at(
    log: int, at: int, cut: Cut, *, make_owner: MakeOwner = Owner, traced: bool = False
) -> Outcome:
    """A small log's run, cut at one step."""
    logs = small_log(log)
    return CutWorld(logs, at, cut, make_owner=make_owner, traced=traced).run(quiet_small(log))
