"""What one message may cost, in time and in memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Final

CPU_S: Final = 0.05
CPU_S_PER_BYTE: Final = 1e-6
MEMORY_BYTES: Final = 4_000_000
"""What 1000 dead letters of one small array take, twice."""
MEMORY_PER_BYTE: Final = 64
"""JSON's shortest values, ``{}`` and a comma, are objects of 64 bytes to Python."""
_TRIES: Final = 4


class _Clock:
    """What time is measured by, where it is: in the fuzzer, and not among other tests."""

    read: Callable[[], float] | None = None


def measure_time(clock: Callable[[], float] | None = time.thread_time) -> None:
    """Bound the CPU time of each input from now on; None ends it."""
    _Clock.read = clock


def check_cost(size: int, work: Callable[[], object], *, memory: bool) -> None:
    """Do ``work`` on an input of ``size`` bytes; the CPU seconds of this thread are bounded.

    A machine that is busy with others may spoil a measurement, and never makes one better: so
    the best of some counts. Time is bounded where `measure_time` says so. ``memory`` measures
    that instead, which takes long.
    """
    if memory:
        _check_memory(size, work)
        return
    clock = _Clock.read
    if clock is None:
        work()
        return
    limit_s = CPU_S + CPU_S_PER_BYTE * size
    taken_s = limit_s
    for _ in range(_TRIES):
        begun = clock()
        work()
        taken_s = clock() - begun
        if taken_s < limit_s:
            return
    raise AssertionError(
        f"{size} bytes took {taken_s * 1000:.0f} ms, more than {limit_s * 1000:.0f}"
    )


def _check_memory(size: int, work: Callable[[], object]) -> None:
    limit = MEMORY_BYTES + MEMORY_PER_BYTE * size
    tracemalloc.start()
    try:
        work()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= limit, f"{size} bytes took {peak} bytes of memory, more than {limit}"
