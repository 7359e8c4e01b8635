"""An event loop whose time is simulated, and whose processes can be stopped or killed anywhere.

A callback belongs to the process in whose context it was made. Between any two callbacks, so
at every await point, a process may be stopped (its callbacks wait until it is woken) or killed
(they never run). Nothing waits in real time, and the same calls give the same order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from typing import Any, Final

MAX_STEPS: Final = 200_000


class Process:
    """What is stopped or killed as one; its callbacks wait in ``held`` while it is stopped."""

    __slots__ = ("alive", "held", "name", "stopped")

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.stopped = False
        self.held: list[Call] = []

    def context(self) -> Context:
        """A context whose callbacks belong to this process."""
        context = copy_context()
        context.run(PROCESS.set, self)
        return context


WORLD: Final = Process("the world")
"""Kafka and all else that never dies."""
PROCESS: Final[ContextVar[Process]] = ContextVar("PROCESS", default=WORLD)


class Call:
    """A callback that was asked for; in the place of `asyncio.Handle`."""

    __slots__ = ("args", "callback", "context", "dropped", "process", "when_s")

    def __init__(
        self,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: Context | None,
        when_s: float = 0.0,
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = copy_context() if context is None else context
        self.process: Process = self.context.get(PROCESS, WORLD)
        self.when_s = when_s
        self.dropped = False

    def cancel(self) -> None:
        self.dropped = True

    def cancelled(self) -> bool:
        return self.dropped

    def when(self) -> float:
        return self.when_s


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs callbacks in order, one by one, and moves its clock on when none is left.

    ``before_step`` is called with the number of each step before it is taken.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.now_s = 0.0
        self.before_step: Callable[[int], None] | None = None
        self.errors: list[dict[str, Any]] = []
        self._ready: deque[Call] = deque()
        self._timers: list[tuple[float, int, Call]] = []
        self._asked = 0
        self._tasks: list[asyncio.Task[Any]] = []

    def time(self) -> float:
        return self.now_s

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> Any:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.append(task)
        return task

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        call = Call(callback, args, context)
        self._ready.append(call)
        return call

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        call = Call(callback, args, context, when)
        self._asked += 1
        heappush(self._timers, (when, self._asked, call))
        return call

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context)

    def wake(self, process: Process) -> None:
        """Let a stopped process go on, with what came for it meanwhile."""
        process.stopped = False
        self._ready.extend(process.held)
        process.held = []

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Run until ``main`` ends, and return what it returns.

        Raises:
            TimeoutError: everything waits for something that never comes, or it goes on for ever.
        """
        asyncio._set_running_loop(self)
        try:
            done = self.create_task(main)
            while not done.done():
                self._step()
            return done.result()
        finally:
            asyncio._set_running_loop(None)
            self._forget()

    def _step(self) -> None:
        if not self._ready:
            self._move_clock()
        call = self._ready.popleft()
        process = call.process
        if call.dropped or not process.alive:
            return
        if process.stopped:
            process.held.append(call)
            return
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise TimeoutError(f"the run has not ended after {MAX_STEPS} steps")
        if self.before_step is not None:
            self.before_step(self.steps)
            if call.dropped or not process.alive:
                return
            if process.stopped:
                process.held.insert(0, call)
                return
        call.context.run(call.callback, *call.args)

    def _forget(self) -> None:
        # what the tasks of killed processes were about to do is nobody's error
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False
                with suppress(RuntimeError):
                    task.get_coro().close()
        self._tasks.clear()

    def _move_clock(self) -> None:
        timers = self._timers
        while timers and timers[0][2].dropped:
            heappop(timers)
        if not timers:
            raise TimeoutError("every process waits, and nothing is on its way to any of them")
        self.now_s = max(self.now_s, timers[0][0])
        while timers and timers[0][0] <= self.now_s:
            self._ready.append(heappop(timers)[2])
