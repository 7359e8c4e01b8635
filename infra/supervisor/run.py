"""Starting and stopping a whole stack in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from infra.errors import SupervisorError
from infra.supervisor.child import Child
from infra.supervisor.records import log_file
from infra.supervisor.spec import Spec

_GIVE_UP_AFTER: Final = 3
_POLL_S: Final = 0.05


class Supervisor:
    """The children of one data folder, started layer by layer and stopped in order."""

    def __init__(self, data: Path, folder: Path, changed: Callable[[Child], None]) -> None:
        """``folder`` is where states are recorded; ``changed`` hears of each change of state."""
        self.data = data
        self.children: dict[str, Child] = {}
        self._folder = folder
        self._changed = changed

    async def start(self, specs: Sequence[Spec]) -> None:
        """Start processes side by side and return when each is ready.

        Raises:
            SupervisorError: one of them ended three times before it was ever ready, can't be
                helped by starting again, or isn't ready within its time.
        """
        started = [Child(spec, self._folder, self._changed) for spec in specs]
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
        """
        remaining = dict(self.children)
        for group in [*groups, frozenset(base(name) for name in remaining)]:
            chosen = [remaining.pop(name) for name in list(remaining) if base(name) in group]
            for child in chosen:
                stopping(child.name)
            await asyncio.gather(*(child.stop() for child in chosen))

    def kill(self) -> None:
        """Kill everything at once."""
        for child in self.children.values():
            child.kill()

    def forget(self) -> None:
        """Remove the records of what was run."""
        for child in self.children.values():
            child.forget()
