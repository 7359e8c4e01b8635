"""What can be fuzzed, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

from tests.fuzz import intake, packets, readers, seeds


class Check(Protocol):
    """Gives one input to a target; ``memory`` measures what it takes, which is slow."""

    def __call__(self, data: bytes, *, memory: bool = False) -> None:
        """Raise `AssertionError` where an invariant does not hold."""


class Target(NamedTuple):
    """A check, what to begin with, what is too large to begin with, and the form of an input.

    ``share`` of the time is the target's. ``json`` says that an input has JSON behind its first
    byte, ``topic`` that a topic stands before it. Inputs of the guided run have up to ``most``
    bytes.
    """

    check: Check
    seeds: Callable[[], seeds.Seeds]
    expensive: Callable[[], seeds.Seeds]
    share: float
    json: bool = False
    topic: bool = False
    most: int = 4096


TARGETS: Final[Mapping[str, Target]] = {
    "intake": Target(intake.check, seeds.of_intake, seeds.expensive, 0.5, json=True, topic=True),
    "packets": Target(packets.check, seeds.of_packets, lambda: iter(()), 0.2, most=2048),
    "readers": Target(readers.check, seeds.of_readers, lambda: iter(()), 0.3, json=True),
}
