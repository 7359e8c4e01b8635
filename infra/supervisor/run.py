"""Starting and stopping a whole stack in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from infra.errors import SupervisorError, one_line
from infra.supervisor.child import HUNG_AFTER_S, Child
from infra.supervisor.records import SUPERVISOR, log_file
from infra.supervisor.spec import Spec

_GIVE_UP_AFTER: Final = 3
_POLL_S: Final = 0.05
_log = structlog.stdlib.get_logger()


class Supervisor:
    """The children of one data folder, started layer by layer and stopped in order."""

    def __init__(
        self,
        data: Path,
        folder: Path,
        changed: Callable[[Child], None],
        *,
        hung_after_s: float = HUNG_AFTER_S,
    ) -> None:
        """``folder`` is where states are recorded; ``changed`` hears of each change of state.

        A stage that was ready and then gives no answer for ``hung_after_s`` is started again.
        """
        self.data = data
        self.children: dict[str, Child] = {}
        self._folder = folder
        self._changed = changed
        self._hung_after_s = hung_after_s

    async def start(self, specs: Sequence[Spec]) -> None:
        """Start processes side by side and return when each is ready.

        Raises:
            SupervisorError: one of them ended three times before it was ever ready, can't be
                helped by starting again, or isn't ready within its time.
        """
        started = [
            Child(spec, self._folder, self._changed, hung_after_s=self._hung_after_s)
            for spec in specs
        ]
        for child in started:
            self.children[child.name] = child
            child.start()
        begin = time.monotonic()
        while waiting := [child for child in started if not child.was_ready]:
            for child in waiting:
                self._judge(child, time.monotonic() - begin)
            await asyncio.sleep(_POLL_S)

    def _judge(self, child: Child, passed_s: float) -> None:
        log = log_file(self.data, child.name)
        if child.state == "failed" or child.restarts >= _GIVE_UP_AFTER:
            raise SupervisorError(f"{child.name} {child.reason} (all of it: {log})")
        if passed_s > child.spec.ready_timeout_s:
            waits_for = f", it waits for: {child.reason}" if child.reason else ""
            raise SupervisorError(
                f"{child.name} is not ready after {passed_s:.0f} s{waits_for}; its log: {log}"
            )

    async def stop(
        self,
        groups: Sequence[frozenset[str]],
        base: Callable[[str], str],
        stopping: Callable[[str], None],
    ) -> None:
        """Stop everything: group by group, those of a group side by side; what is left last.

        ``groups`` hold what ``base`` makes of names; ``stopping`` hears each name before.
        Whatever goes wrong, every group is stopped before it is told: no process is left.

        Raises:
            SupervisorError: something went wrong while processes were stopped; says with which.
        """
        troubles: list[str] = []
        remaining = dict(self.children)
        for group in [*groups, frozenset(base(name) for name in remaining)]:
            chosen = [remaining.pop(name) for name in list(remaining) if base(name) in group]
            ends = await asyncio.gather(
                *(_stop(child, stopping) for child in chosen), return_exceptions=True
            )
            for child, end in zip(chosen, ends, strict=True):
                if isinstance(end, BaseException):
                    _log.error("stopping a process went wrong", name=child.name, exc_info=end)
                    troubles.append(f"{child.name} ({one_line(end)})")
        if troubles:
            raise SupervisorError(
                f"everything was asked to stop, but something went wrong with "
                f"{', '.join(troubles)}; see {log_file(self.data, SUPERVISOR)}"
            )

    def kill(self) -> None:
        """Kill everything at once."""
        for child in self.children.values():
            child.kill()

    def forget(self) -> None:
        """Remove the records of what was run."""
        for child in self.children.values():
            child.forget()


async def _stop(child: Child, stopping: Callable[[str], None]) -> None:
    try:
        stopping(child.name)
    finally:  # a terminal that is gone must not keep a process running
        await child.stop()
