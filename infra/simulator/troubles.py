"""What befalls a device of the simulated city for a while, by a schedule of the seed's.

It falls silent for an hour (some with their last will, as a broken connection gives it), its
clock goes wrong, or it restarts with its counter at zero.
"""

from __future__ import annotations

from typing import Final

from infra.simulator.devices import Device
from infra.simulator.local_time import HOUR_MS
from infra.simulator.message import Outgoing
from infra.simulator.spells import Spell, Spells

_SILENT_A_DAY: Final = 0.06
_WRONG_A_DAY: Final = 0.04
_RESETS_A_DAY: Final = 0.3
_RESETTING: Final = 7
"""One device in so many loses its counter when it restarts."""
_LAST_WILL: Final = 0.6
_AHEAD: Final = 0.7
_AHEAD_MS: Final = 7 * HOUR_MS
_UNSET_MS: Final = -30 * 365 * 24 * HOUR_MS
"""A clock that was never set shows a time decades ago."""


class Troubles:
    """The troubles of one device."""

    def __init__(self, seed: int, device: Device, place: int) -> None:
        """``place`` among the city's devices decides whether it loses its counter."""
        name = (device.site, device.name)
        self._device = device
        self.resets = place % _RESETTING == _RESETTING - 1
        restarts = _RESETS_A_DAY if self.resets else 0.0
        # where names come again, a time that can't be believed would not tell them apart
        wrong = 0.0 if self.resets or device.resets else _WRONG_A_DAY
        self._silence = Spells(seed, *name, "silent", a_day=_SILENT_A_DAY, minutes=(40, 80))
        self._wrong = Spells(seed, *name, "clock", a_day=wrong, minutes=(20, 45))
        self._restart = Spells(seed, *name, "reset", a_day=restarts, minutes=(1, 2))
        self._now: Spell | None = None
        self._told_offline = False

    def silent(self, ts_ms: int) -> bool:
        """Whether it says nothing at a moment (call `begun` before)."""
        return self._now is not None and ts_ms < self._now.ends_ms

    def clock_off_ms(self, ts_ms: int) -> int:
        """By how much its clock is wrong, 0 where it isn't."""
        spell = self._wrong.at(ts_ms)
        if spell is None:
            return 0
        if spell.strength < _AHEAD:
            return int((0.1 + spell.strength) * _AHEAD_MS)
        return _UNSET_MS

    def begun(self, ts_ms: int) -> list[Outgoing]:
        """Move on to a moment; gives the statuses that are told by then."""
        silence, restart = self._silence.at(ts_ms), self._restart.at(ts_ms)
        spell = silence or restart
        if spell is not None and spell is not self._now:
            self._now = spell
            if spell is restart:
                self._device.seq = 0
            elif spell.strength < _LAST_WILL:
                self._told_offline = True
                return [self._device.says("offline", ts_ms)]
        elif spell is None and self._now is not None:
            self._now = None
            if self._told_offline:
                self._told_offline = False
                return [self._device.says("online", ts_ms)]
        return []
