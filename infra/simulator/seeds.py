"""Random numbers that a run can repeat."""

from __future__ import annotations

from random import Random


def seeded(seed: object, *names: object) -> Random:
    """The random numbers of one part of a run; parts with other names don't disturb them."""
    return Random("/".join(map(str, (seed, *names))))  # noqa: S311 - a simulation, no secrets
