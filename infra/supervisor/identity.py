"""Telling a process from a later one that was given the same pid."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import Struct

_STATE: Final = 0
_START_TICKS: Final = 19
_DEAD: Final = frozenset("ZXx")


class Identity(Struct, frozen=True):
    """A pid with its start, in clock ticks since the boot that ``boot`` names.

    Ticks are what the kernel keeps; seconds since 1970 are computed from them with a boot time
    that moves when the machine's clock is set, so the same process would seem another one.
    """

    pid: int
    ticks: int
    boot: str

    def alive(self) -> bool:
        """Whether this very process runs (a zombie, dead but not collected, does not)."""
        return identify(self.pid) == self


def identify(pid: int) -> Identity | None:
    """The process that has ``pid`` now, or None where there is none or it is dead."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    # proc(5): "pid (name) state …"; the name may hold spaces and brackets
    fields = stat.rpartition(")")[2].split()
    if fields[_STATE] in _DEAD:
        return None
    return Identity(pid, int(fields[_START_TICKS]), boot)
