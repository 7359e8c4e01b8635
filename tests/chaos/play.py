"""Playing a schedule on real processes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from tests.chaos.processes import Processes, Target
from tests.chaos.schedule import AT_ONCE, Fault, Kind, Schedule

Say = Callable[[str], None]
Hits = Counter[tuple[str, Kind]]
"""How often which process was hit in which way."""


async def play(schedule: Schedule, processes: Processes, say: Say) -> Hits:
    """Let every fault happen; returns when the last has ended and all processes run.

    A fault waits while two others are open: a server that is slow to start again holds up what
    comes after it, so that never more are open than the schedule means.
    """
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    opened: dict[str, asyncio.Task[None]] = {}
    hits: Hits = Counter()
    async with asyncio.TaskGroup() as group:
        for fault in schedule.faults:
            await asyncio.sleep(began_s + fault.at_s - loop.time())
            while len(opened) >= AT_ONCE or fault.process in opened:
                await asyncio.wait(opened.values(), return_when=asyncio.FIRST_COMPLETED)
                opened = {name: task for name, task in opened.items() if not task.done()}
            say(f"{loop.time() - began_s:6.1f} s: {fault}")
            opened[fault.process] = group.create_task(happen(fault, processes[fault.process]))
            hits[fault.process, fault.kind] += 1
    say(f"{loop.time() - began_s:6.1f} s: all faults are over")
    return hits


async def happen(fault: Fault, target: Target) -> None:
    """One fault from its begin to its end."""
    if fault.kind == "stop":
        target.pause()
        await asyncio.sleep(fault.for_s)
        target.resume()
        return
    await (target.kill() if fault.kind == "kill" else target.stop())
    await asyncio.sleep(fault.for_s)
    await target.start()
