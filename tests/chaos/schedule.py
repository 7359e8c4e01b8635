"""What befalls which process when: a function of a seed (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from random import Random
from typing import Final, Literal, NamedTuple

Kind = Literal["kill", "stop", "restart"]
"""SIGKILL and a start; SIGSTOP and SIGCONT; SIGTERM and a start."""

STAGES: Final = ("bridge", "streams", "streams-2", "sink-influx", "sink-chat")
SERVERS: Final = ("kafka", "influxdb", "mosquitto")
PROCESSES: Final = (*STAGES, *SERVERS)
ONLY_RESTARTED: Final = frozenset({"mosquitto"})
"""Killed, the broker loses what it has not saved yet, which is documented and measured alone."""

AT_ONCE: Final = 2
CALM_S: Final = 15.0
LONGEST_DOWN_S: Final = 5.0
SHORTEST_STOP_S: Final = 5.0
LONGEST_STOP_S: Final = 40.0
FEWEST_SECONDS: Final = CALM_S + 10.0
_SHARES: Final[dict[Kind, float]] = {"kill": 0.45, "stop": 0.35, "restart": 0.2}
_LONGEST_PAUSE_S: Final = 4.0


class Fault(NamedTuple):
    """One fault: it begins ``at_s`` after the schedule does, and is open for ``for_s``."""

    at_s: float
    for_s: float
    process: str
    kind: Kind

    @property
    def until_s(self) -> float:
        """When it ends: the process goes on, or is started again."""
        return self.at_s + self.for_s

    def __str__(self) -> str:
        return f"{self.at_s:6.1f} s  {self.kind:<8} {self.process:<12} for {self.for_s:.1f} s"


@dataclass(frozen=True)
class Schedule:
    """The faults of one run in their order; the last of its ``seconds`` are calm."""

    seed: int
    seconds: float
    faults: tuple[Fault, ...]


def make_schedule(seed: int, seconds: float) -> Schedule:
    """The schedule of a seed.

    At most two faults are open at once, no process has two, every process is hit, and the last
    15 s are calm.

    Raises:
        ValueError: so few seconds are not enough to hit every process.
    """
    if seconds < FEWEST_SECONDS:
        raise ValueError(
            f"{seconds:g} s are too few to hit each of {len(PROCESSES)} processes before "
            f"{CALM_S:g} s of calm; give {FEWEST_SECONDS:g} or more"
        )
    made = sorted(_Maker(Random(f"chaos {seed}"), seconds - CALM_S).faults())
    return Schedule(seed, seconds, tuple(made))


class _Maker:
    """Deals processes out to two lanes, in each of which one fault follows another."""

    def __init__(self, random: Random, end_s: float) -> None:
        self._random = random
        self._end_s = end_s
        self._free_s = [0.0] * AT_ONCE
        self._busy_until_s = dict.fromkeys(PROCESSES, 0.0)
        # in the first round none takes so much that another would not come in
        self._share_s = AT_ONCE * end_s / (len(PROCESSES) + 1)

    def faults(self) -> Iterator[Fault]:
        for place, process in enumerate(self._processes()):
            first_round = place < len(PROCESSES)
            lane = min(range(AT_ONCE), key=self._free_s.__getitem__)
            at_s = self._free_s[lane] + self._pause_s(first_round=first_round)
            if self._free_s[lane] >= self._end_s or at_s >= self._end_s:
                return
            if self._busy_until_s[process] > at_s:
                continue  # the other lane has it
            last_s = self._free_s[lane] + self._share_s if first_round else self._end_s
            kind, for_s = self._draw(process, last_s - at_s)
            fault = Fault(at_s, for_s, process, kind)
            self._free_s[lane] = self._busy_until_s[process] = fault.until_s
            yield fault

    def _processes(self) -> Iterator[str]:
        """All processes in one order, and then in another, for ever."""
        decks = (self._random.sample(PROCESSES, len(PROCESSES)) for _ in repeat(None))
        return chain.from_iterable(decks)

    def _pause_s(self, *, first_round: bool) -> float:
        longest_s = min(_LONGEST_PAUSE_S, self._share_s / 10) if first_round else _LONGEST_PAUSE_S
        return self._random.uniform(0.0, longest_s)

    def _draw(self, process: str, longest_s: float) -> tuple[Kind, float]:
        random = self._random
        kinds = list(_SHARES)
        if process in ONLY_RESTARTED:
            kinds = ["restart"]
        elif longest_s < SHORTEST_STOP_S:
            kinds.remove("stop")
        (kind,) = random.choices(kinds, [_SHARES[one] for one in kinds])
        if kind == "stop":
            # each doubling as likely as the next: most are short, and some lose a session
            ratio = min(LONGEST_STOP_S, longest_s) / SHORTEST_STOP_S
            return kind, SHORTEST_STOP_S * ratio ** random.random()
        return kind, random.uniform(0.0, min(LONGEST_DOWN_S, longest_s))
