"""Whether a device's clock is believed, decided once for each reading."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from schemas.readings import BELIEVED_AHEAD_MS

BELIEVED_FROM_MS: Final = 1_577_836_800_000
"""2020-01-01T00:00:00Z: no device of ours is older."""
_REMEMBERED: Final = 65_536
_AGAIN_MS: Final = 3_600_000
"""A reading older than this is not looked up: it was never ahead, or long ago."""

Name = tuple[str, str, int, int, int]
"""Site, device, boot, seq, ts: what names a reading and its own word on when it was."""


def believed(ts_ms: int, rx_us: int) -> bool:
    """Whether a device's ``ts`` can be right for a message that came at ``rx_us``."""
    return BELIEVED_FROM_MS <= ts_ms <= rx_us // 1000 + BELIEVED_AHEAD_MS


class WrongClocks:
    """The event times given to readings whose own was not believed.

    The same reading delivered again keeps the time that it got at first, as long as it is
    among the last ``size`` of them.
    """

    def __init__(self, size: int = _REMEMBERED) -> None:
        """Begin without memory."""
        self._size = size
        self._given: OrderedDict[Name, int] = OrderedDict()
        self.given: Final = self._given.keys()
        """Whose time was decided; nearly always empty, which costs less to see than a call."""

    def decided(self, name: Name, rx_us: int) -> bool:
        """Whether the reading ``name`` came before and was not believed.

        Its clock may look right by now, as a ``ts`` a little ahead does when it comes again
        later.
        """
        return name[-1] > rx_us // 1000 - _AGAIN_MS and name in self._given

    def at_ms(self, name: Name, rx_us: int) -> int:
        """The event time (ms) of the reading ``name``: its first receive time."""
        given = self._given.get(name)
        if given is None:
            given = rx_us // 1000
            self._given[name] = given
            if len(self._given) > self._size:
                self._given.popitem(last=False)
        else:
            self._given.move_to_end(name)
        return given
