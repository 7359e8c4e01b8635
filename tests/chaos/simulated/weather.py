"""How long things take in a run and which of them fail: all drawn from one seeded generator."""

from __future__ import annotations

from random import Random
from typing import Final

USUALLY: Final = (0.97, 0.92, 0.6)
"""The share of messages that take milliseconds: that of a run is one of these."""
VERY_SLOW: Final = 0.06
"""The share of the others that take longer than a session."""
FAILS: Final = 0.004


class Weather:
    """Delays in seconds, and failures; none but the shortest once it is ``calm``."""

    def __init__(self, random: Random, *, calm: bool = False) -> None:
        self.random = random
        self.calm = calm
        self._usually = random.choice(USUALLY)

    def delay_s(self) -> float:
        """How long a message is on its way: mostly milliseconds, at times longer than a session."""
        draw = self.random.random()
        if self.calm or draw < self._usually:
            return 0.001 + 0.01 * draw
        very = self.random.random() < VERY_SLOW
        return self.random.random() * (20.0 if very else 2.0)

    def fails(self) -> bool:
        """Whether a request is answered with an error."""
        return not self.calm and self.random.random() < FAILS
