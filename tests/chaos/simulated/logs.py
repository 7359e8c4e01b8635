"""The telemetry of a small simulated city over one or two partitions, and its quiet fold."""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import Final, NamedTuple

from schemas.envelope import envelope_headers
from streams.partition import Partition
from tests.chaos.simulated.kafka import Arrival
from tests.support import cities
from tests.support.cities import City, Record
from tests.support.folds import RULES, device_records, written

RUNS_OF_A_LOG: Final = 10
"""So many seeds share one log: its quiet fold is made once."""
STEPS: Final = 36
PLAYED: Final = (*cities.STEPS, *("status",) * 4)
"""More statuses than the city's own share: one that is folded twice is a fault hard to see."""
SMALL_STEPS: Final = 4
SMALL_QUIET_S: Final = 7
ON_SECOND: Final = (b'{"site":"hall-3"',)


class Expected(NamedTuple):
    """What one uninterrupted fold gives: records, what is known at the end, and the state."""

    arrived: list[Arrival]
    devices: dict[tuple[str, str], object]
    states: list[dict[bytes, bytes]]


@lru_cache(maxsize=4)
def log_of(seed: int) -> list[list[Record]]:
    """The log of each partition."""
    random = Random(f"log {seed}")
    log = City().play(_steps(random, STEPS))
    return [log] if random.random() < 0.5 else split(log)


@lru_cache(maxsize=4)
def quiet_fold(seed: int) -> Expected:
    """What must come of it."""
    return folded(log_of(seed))


@lru_cache(maxsize=4)
def small_log(seed: int) -> list[list[Record]]:
    """A short log, over which a few flushes fall due; on one partition where the seed is even."""
    random = Random(f"small log {seed}")
    city = City()
    for _ in range(3):
        city.play(_steps(random, SMALL_STEPS))
        city.quiet(SMALL_QUIET_S)
    return split(city.log) if seed % 2 else [city.log]


@lru_cache(maxsize=4)
def quiet_small(seed: int) -> Expected:
    """What must come of a short log."""
    return folded(small_log(seed))


def folded(logs: list[list[Record]]) -> Expected:
    """Fold each partition from its first record to its last, without a disturbance."""
    parts = []
    arrived: list[Arrival] = []
    for number, log in enumerate(logs):
        part = Partition(number, len(logs), RULES)
        parts.append(part)
        for offset, record in enumerate(log):
            arrived += [output[:3] for output in part.fold(offset, *record)]
    known = {name: found for part in parts for name, found in device_records(part).items()}
    return Expected(arrived, known, [written(part) for part in parts])


def split(log: list[Record]) -> list[list[Record]]:
    """One site on a partition of its own; ticks are on both."""
    found: list[list[Record]] = [[], []]
    for record in log:
        lines = record.value.splitlines(keepends=True)
        second = [line for line in lines if line.startswith(ON_SECOND)]
        first = [line for line in lines if not line.startswith(ON_SECOND)]
        for part, mine in zip(found, (first, second), strict=True):
            if mine:
                headers = envelope_headers("test", len(mine))
                part.append(record._replace(value=b"".join(mine), headers=headers))
            elif not lines:
                part.append(record)
    return found


def _steps(random: Random, count: int) -> list[cities.Step]:
    return [
        (random.choice(PLAYED), random.randrange(len(cities.DEVICES)), random.randrange(1000))
        for _ in range(count)
    ]
