"""What each system gets wrong: the same bad hour for all at once, compared with the truth.

Before anything is compared a load without faults shows that each of them works at all: one that
stores no window of it, however often it comes, ends the bench. Then comes a load in which one
thing in each part of the city goes wrong: messages sent twice, readings sent late, malformed ones,
wrong clocks, two readings in one millisecond. When its windows are closed everything is counted.
Then comes a load without faults, during which every process is killed (SIGKILL) and started again
at once, the sinks first and the bridges last.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.simulator import Faults
from schemas import topics
from tests.bench.load import Load, record
from tests.bench.logs import Size
from tests.bench.phases import Plain, Publisher, Say, begin, fed, load_for
from tests.bench.systems import BRIDGE, SINK, Running, System, end_session
from tests.bench.truth import Stored, Truth, Wrong, compare, stored, truth, windows_of
from tests.support.stack import Stack

_RATE: Final = 100.0
"""Readings a second of each part; slow enough for the slowest."""
_DEVICES: Final = 24
_PARTS: Final[dict[str, Faults]] = {
    "-plain": Faults(),
    "-repeated": Faults(duplicates=0.1),
    "-late": Faults(late=0.1),
    "-malformed": Faults(malformed=0.05),
    "-clock": Faults(wrong_clock=0.05),
    "-twin": Faults(),
}
_KILLED: Final = "-killed"
_FAULTY_S: Final = 8.0
_KILLS_S: Final = (2.0, 4.5, 7.0)
_KILLED_S: Final = 10.0
_SOUND: Final = "-sound"
_SOUND_TRIES: Final = 4
_TAIL_S: Final = 22.0
"""How long a trickle of readings on many sites follows, so that windows by event time close in
every partition."""


class PeerError(RuntimeError):
    """A system does not do its work even where nothing is wrong, so there is nothing to compare."""


class SilentError(PeerError):
    """A system has stored no window of a load without faults."""


@dataclass(frozen=True)
class Share:
    """So many of so many; ``of`` is 0 where a system has no such rows."""

    wrong: int
    of: int


@dataclass
class Mistakes:
    """Of one system: what it got wrong, in readings, by a name for people."""

    found: dict[str, Share] = field(default_factory=dict)


@dataclass
class _Case:
    system: System
    stages: dict[str, Running] = field(default_factory=dict)
    mistakes: Mistakes = field(default_factory=Mistakes)
    comparable: bool = True
    """Whether it stored most windows where nothing was wrong."""

    @property
    def raw(self) -> bool:
        """Whether it writes raw rows, too."""
        return self.system.feeder is None


async def mistakes(
    stack: Stack, systems: Sequence[System], folder: Path, say: Say
) -> dict[str, Mistakes]:
    """Run the two loads through all systems at once."""
    faulty, killed = _faulty(), record(
        count=round(_RATE * _KILLED_S), devices=_DEVICES, rate=_RATE, site_suffix=_KILLED
    )  # fmt: skip
    sound, tail = (
        record(count=round(_TAIL_S * 20), devices=40, sites=40, rate=20, site_suffix=suffix)
        for suffix in (_SOUND, "-tail")
    )
    publisher = Publisher(stack)
    cases = [_Case(system) for system in systems]
    letters = Size(stack, topics.DEAD_LETTERS)
    async with AsyncExitStack() as up:
        try:
            for case in cases:
                await case.system.reset()
                await up.enter_async_context(fed(case.system, BRIDGE, SINK))
            async with asyncio.TaskGroup() as starting:
                for case in cases:
                    starting.create_task(begin(case.system, case.system.stages, case.stages))
            say("all run side by side")
            await _all_sound(stack, cases, publisher, _saved(folder, sound, "sound"))
            say("all have stored windows of a load without faults")
            sent = await publisher.publish(_saved(folder, faulty, "faulty"), _RATE, paced=True)
            await publisher.publish(_saved(folder, tail, "tail"), 20, paced=True)
            true, kept = truth(faulty, sent.schedule), int(await letters.records())
            for case in cases:
                _at_work(case)
                await _count_faults(stack, case, true, kept)
            say("what became of faults is counted")
            killing = asyncio.create_task(_kill(cases))
            sent = await publisher.publish(_saved(folder, killed, "killed"), _RATE, paced=True)
            await killing
            await publisher.publish(_saved(folder, tail, "tail"), 20, paced=True)
            for case in cases:
                _at_work(case)
                await _count_killed(stack, case, truth(killed, sent.schedule))
            say("what became of kills is counted")
        finally:
            await asyncio.gather(*(one.stop() for case in cases for one in case.stages.values()))
    for case in cases:
        await end_session(stack.mqtt_connection, case.system.client_id)
    return {case.system.name: case.mistakes for case in cases}


async def _all_sound(
    stack: Stack, cases: Sequence[_Case], publisher: Publisher, load: Plain
) -> None:
    """Publish the load without faults until each system has stored a window of it.

    On a busy machine one may begin to read when the load has gone by; so it comes again.

    Raises:
        PeerError: one has ended, or has stored none after `_SOUND_TRIES`.
    """
    for last in (*[False] * (_SOUND_TRIES - 1), True):
        await publisher.publish(load, 20, paced=True)
        try:
            for case in cases:
                _at_work(case)
                check_sound(case.system.name, await _stored(stack, case.system, _SOUND))
        except SilentError:
            if last:
                raise
        else:
            return


def check_sound(name: str, found: Stored) -> None:
    """See that a system has stored windows of the load without faults.

    Raises:
        SilentError: it has none.
    """
    if not windows_of(found.windows, _SOUND).total():
        raise SilentError(
            f"{name} has stored no window of a load without faults, so what it gets wrong can't "
            "be compared; see its logs, or leave it out with --only"
        )


def _at_work(case: _Case) -> None:
    """See that no stage has ended by itself.

    Raises:
        PeerError: one has; says its last words.
    """
    for one in case.stages.values():
        if not one.process.running:
            raise PeerError(f"{case.system.name}: {one.process.died()}")


def comparable(wrong: Wrong, readings: int) -> bool:
    """Whether the windows of a system say anything of faults.

    Where most are missing though nothing was wrong, one that is not counted twice, or lost with a
    kill, is only one that would be missing anyway.
    """
    return 2 * wrong.missing <= readings


def _faulty() -> Load:
    """Parts of a city, each with a fault of its own, side by side."""
    messages = []
    for number, (suffix, faults) in enumerate(_PARTS.items()):
        part = record(
            count=round(_RATE * _FAULTY_S), devices=_DEVICES, rate=_RATE, seed=number + 2,
            faults=faults, twins_every=20 if suffix == "-twin" else 0, site_suffix=suffix,
        )  # fmt: skip
        messages += part.messages
    messages.sort(key=lambda message: message.due)
    return Load(_RATE, messages)


def _saved(folder: Path, load: Load, name: str) -> Plain:
    """A load on disk; what counts is its messages."""
    return Plain(load_for(folder, load, name), len(load.messages))


async def _stored(stack: Stack, system: System, *endings: str) -> Stored:
    return await stored(
        stack.influx_connection,
        system.database,
        time.time_ns() // 1_000_000,
        endings=endings,
        policy=system.windows_policy,
        shift_ms=system.windows_shift_ms,
    )


async def _count_faults(stack: Stack, case: _Case, true: Truth, letters: int) -> None:
    found, made = await _stored(stack, case.system, *_PARTS), case.mistakes.found
    wrong = {
        suffix: compare(windows_of(true.windows, suffix), windows_of(found.windows, suffix))
        for suffix in _PARTS
    }
    late = windows_of(true.windows, "-late").total()
    plain = windows_of(true.windows, "-plain").total()
    made["in no window, though nothing was wrong"] = Share(wrong["-plain"].missing, plain)
    case.comparable = comparable(wrong["-plain"], plain)
    if case.comparable:
        made["in a wrong window, though nothing was wrong"] = Share(
            wrong["-plain"].elsewhere, plain
        )
        made["sent twice: counted twice"] = Share(wrong["-repeated"].twice, true.repeated)
        made["sent late: in no window"] = Share(wrong["-late"].missing, late)
        made["sent late: in a wrong window"] = Share(wrong["-late"].elsewhere, late)
    if case.raw:
        strangers = {name for name in found.names - true.names if name.site.endswith("-malformed")}
        twins = [name for name in true.names - found.names if name.site.endswith("-twin")]
        made["malformed: stored as if valid"] = Share(len(strangers), true.rejected)
        kept = letters if case.system.database == "qala" else 0  # no other system keeps any
        gone = max(0, true.rejected - len(strangers) - kept)
        made["malformed: kept nowhere"] = Share(gone, true.rejected)
        made["wrong clock: dated 1970 or ahead"] = Share(found.misdated, true.unbelieved)
        made["same millisecond: overwritten"] = Share(len(twins), true.twins)


async def _count_killed(stack: Stack, case: _Case, true: Truth) -> None:
    found, made = await _stored(stack, case.system, _KILLED), case.mistakes.found
    wrong = compare(true.windows, windows_of(found.windows, _KILLED))
    windowed = true.windows.total()
    if case.raw:
        made["killed: raw rows lost"] = Share(len(true.names - found.names), len(true.names))
    if case.comparable:
        made["killed: in no window"] = Share(wrong.missing, windowed)
        made["killed: in a wrong window"] = Share(wrong.elsewhere, windowed)
        made["killed: counted twice"] = Share(wrong.twice, windowed)


async def _kill(cases: Sequence[_Case]) -> None:
    """SIGKILL the last stage of each system, then the one before, and so on; each starts anew."""
    began_s = time.monotonic()
    for place, due_s in enumerate(_KILLS_S, 1):
        await asyncio.sleep(max(0.0, began_s + due_s - time.monotonic()))
        for case in cases:
            if place <= len(case.system.stages):
                stage = case.system.stages[-place]
                await case.stages[stage].process.kill()
                case.stages[stage] = await case.system.start(stage)
