"""Noise that is a function of the moment: the same time gives the same value again.

What a simulated device measures then doesn't depend on when the simulation began or how
often the device was asked. One table of random numbers serves every device, each of which
reads it with a salt of its own.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Final

from infra.simulator.seeds import seeded

_SIZE: Final = 8192
_MASK: Final = _SIZE - 1
_STRIDE: Final = 2_654_435_761
"""Knuth's multiplicative hash: neighbouring steps are far apart in the table."""


@cache
def _table() -> tuple[float, ...]:
    rng = seeded(0, "noise")
    return tuple(rng.random() for _ in range(_SIZE))


def salt_of(seed: int, *names: str) -> int:
    """A number of the thing's own, from the seed and its names."""
    return zlib.crc32("/".join((str(seed), *names)).encode())


class Noise:
    """The noise of one device."""

    __slots__ = ("_salt", "_values")

    def __init__(self, seed: int, *names: str) -> None:
        """Noise of its own for each (seed, names)."""
        self._salt = salt_of(seed, *names)
        self._values = _table()

    def flicker(self, step: int) -> float:
        """Between 0 and 1, unlike the one of the step before."""
        return self._values[((step + self._salt) * _STRIDE >> 7) & _MASK]

    def drift(self, ts_ms: int, span_ms: int) -> float:
        """Between -1 and 1, moving smoothly: about one turn in two spans."""
        step, within = divmod(ts_ms, span_ms)
        part = within / span_ms
        before, after = self.flicker(step), self.flicker(step + 1)
        return 2 * (before + (after - before) * part * part * (3 - 2 * part)) - 1
