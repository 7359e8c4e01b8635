"""One supervised process: started, watched, started again, stopped."""

from __future__ import annotations

import asyncio
import os
import time
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from infra.errors import is_known, one_line
from infra.native import last_words
from infra.supervisor.backoff import Backoff
from infra.supervisor.identity import Identity, identify
from infra.supervisor.records import (
    NO_ANSWER,
    ProcessRecord,
    State,
    read_probe,
    remove_record,
    rotate,
    write_record,
)
from infra.supervisor.spec import Spec

HUNG_AFTER_S: Final = 30.0
"""So long a stage that was ready may give no answer at all before it is killed."""
_STARTING_POLL_S: Final = 0.1
_READY_POLL_S: Final = 1.0
_CHECK_TIMEOUT_S: Final = 5.0
_MAX_WORDS: Final = 300

_Known = tuple[State, str | None, Identity | None]

_log = structlog.stdlib.get_logger()


class Silence:
    """How long a process has given no answer, by checks in a row that all went without one."""

    def __init__(self, limit_s: float) -> None:
        """It counts as hung after ``limit_s``."""
        self._limit_s = limit_s
        self._silent_s = 0.0

    def after(self, *, answered: bool, lasted_s: float) -> bool:
        """Whether it counts as hung after a check that, with the wait before, took ``lasted_s``.

        A check counts for no more than its time limit: when the whole machine stood still for
        a minute, one late answer looks like a minute without any.
        """
        self._silent_s = 0.0 if answered else self._silent_s + min(lasted_s, _CHECK_TIMEOUT_S)
        return self._silent_s >= self._limit_s


class Child:
    """Keeps one process running until `stop` is called; its state is recorded at each change.

    ``changed`` is called with the child after each change of state. Times are seconds of
    ``time.time()`` because other processes read them.
    """

    def __init__(
        self,
        spec: Spec,
        folder: Path,
        changed: Callable[[Child], None],
        *,
        hung_after_s: float = HUNG_AFTER_S,
    ) -> None:
        """Nothing runs before `start`; ``folder`` is where the state is recorded.

        A stage that was ready and then gives no answer for ``hung_after_s`` is started again.
        """
        self.spec = spec
        self.state: State = "stopped"
        self.since = time.time()
        self.restarts = 0
        self.reason: str | None = None
        self.identity: Identity | None = None
        self.was_ready = False
        self._displaced = False
        self._folder = folder
        self._changed = changed
        self._process: Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._backoff = Backoff()
        self._told: _Known | None = None
        self._recorded: _Known | None = None
        self._unwritable = False
        self._hung_after_s = hung_after_s
        self._hung = False

    @property
    def name(self) -> str:
        """The name under which it is shown."""
        return self.spec.name

    def start(self) -> None:
        """Start it in the background, and keep it running."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def stop(self) -> bool:
        """Ask it to end; kill it when it hasn't within its time. False where it was killed."""
        self._stopping.set()
        gently = True
        process = self._process
        if process is not None and process.returncode is None:
            process.send_signal(self.spec.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), self.spec.stop_timeout_s)
            except TimeoutError:
                gently = False
                self.kill()
                await process.wait()
        try:
            if self._keeper is not None:
                await self._keeper
        finally:
            self._enter("stopped")
        return gently

    def kill(self) -> None:
        """Kill it at once (SIGKILL); it isn't started again."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def forget(self) -> None:
        """Remove its record."""
        remove_record(self._folder, self._record())

    async def _keep(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            self._enter("starting", self.reason)
            try:
                code = await self._live()
                ending = self._ending(code)
            except Exception as exc:  # noqa: BLE001 - whatever it is, it is told and tried again
                if not is_known(exc) and not isinstance(exc, OSError):
                    _log.exception("a process cannot be started", name=self.name)
                ending = one_line(exc)
            if self._stopping.is_set():
                return
            _log.warning("a process ended", name=self.name, how=ending)
            if self.spec.rival() is not None:
                await self._give_way()
                self.restarts += 1
                continue
            if self._ended_for_good():
                self._enter("failed", ending)
                return
            self.restarts += 1
            self._enter("backoff", ending)
            await self._pause(self._backoff.after(time.monotonic() - started))

    async def _give_way(self) -> None:
        """Wait until who has its place has gone: to fight back would end that one in its turn."""
        self._displaced = True
        while not self._stopping.is_set() and (rival := self.spec.rival()) is not None:
            self._enter("failed", f"{rival}; this one comes back when that has gone")
            await self._pause(_READY_POLL_S)
        self._displaced = False

    async def _live(self) -> int:
        """Start the process and watch it until it ends; its exit code."""
        await self.spec.prepare()
        if self._stopping.is_set():
            return 0
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        rotate(self.spec.log)
        with self.spec.log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.spec.folder,
                env={**os.environ, **self.spec.env},
                start_new_session=True,  # Ctrl-C reaches us alone, who stop things in order
            )
        self._process = process
        self._hung = False
        self.identity = identify(process.pid)
        self._enter("starting", self.reason)
        watcher = asyncio.create_task(self._watch(), name=f"watch {self.name}")
        try:
            if self._stopping.is_set():  # asked to stop while the process was being made
                process.kill()
            return await process.wait()
        finally:
            watcher.cancel()
            self.identity = None

    async def _watch(self) -> None:
        """Ask again and again whether it does its work; kill it when it hangs."""
        silence = Silence(self._hung_after_s)
        loop = asyncio.get_running_loop()
        counted, answered = loop.time(), True
        while self.identity is not None and not self._stopping.is_set():
            if answered:  # the wait since an answer is no silence
                counted = loop.time()
            waits_for = await self._ask(self.identity)
            if self._stopping.is_set():
                return
            # one that was not ready yet in this life is the business of whoever started it
            answered = waits_for != NO_ANSWER or self.state == "starting"
            lasted_s, counted = loop.time() - counted, loop.time()
            if silence.after(answered=answered, lasted_s=lasted_s):
                self._kill_hung()
                return
            if waits_for is None:
                self.was_ready = True
                self._enter("ready")
            elif self.state in {"ready", "waiting"}:
                self._enter("waiting", waits_for)
            else:
                self._enter("starting", waits_for)
            await asyncio.sleep(_READY_POLL_S if self.state == "ready" else _STARTING_POLL_S)

    async def _ask(self, identity: Identity) -> str | None:
        """What it waits for, None where it is ready; whatever goes wrong is such a reason, too."""
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S):
                return await self.spec.check(identity)
        except TimeoutError:
            return "it does not answer"
        except Exception as exc:  # noqa: BLE001 - it must be asked again, whatever it is
            reason = f"it cannot be asked: {one_line(exc)}"
            if reason != self.reason:
                _log.exception("a process cannot be asked whether it is ready", name=self.name)
            return reason

    def _kill_hung(self) -> None:
        """Kill a process that gives no answer; the keeper then starts it again."""
        if self._process is not None and self._process.returncode is None:
            _log.warning(
                "a process that does not answer is killed",
                name=self.name,
                silent_s=self._hung_after_s,
            )
            self._hung = True
            self._process.kill()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _ended_for_good(self) -> bool:
        """Whether the process itself said that starting it again can't help."""
        probe = read_probe(self._folder, self.name)
        return probe is not None and probe.final and self._is_ours(probe.process)

    def _is_ours(self, identity: Identity) -> bool:
        return self._process is not None and identity.pid == self._process.pid

    def _ending(self, code: int) -> str:
        if self._hung:
            return f"did not answer for {self._hung_after_s:g} s and was killed"
        return _how(code, self._last_words())

    def _last_words(self) -> str:
        """What it said of its end: its own sentence, or the last line of its log."""
        probe = read_probe(self._folder, self.name)
        if probe is not None and probe.ended and self._is_ours(probe.process):
            return probe.ended
        return last_words(self.spec.log)[:_MAX_WORDS]

    def _enter(self, state: State, reason: str | None = None) -> None:
        if state != self.state:
            self.since = time.time()
        self.state, self.reason = state, reason
        now = (state, reason, self.identity)
        if now != self._recorded and self._write():
            self._recorded = now
        if now != self._told:
            self._told = now
            try:
                self._changed(self)
            except Exception:  # noqa: BLE001 - a screen must not end what it shows
                _log.exception("a change of state cannot be shown", name=self.name)

    def _write(self) -> bool:
        """Record the state. Where that fails it is told once, and tried again later.

        A full disk must neither end a process nor the watch over it.
        """
        try:
            write_record(self._folder, self._record())
        except OSError as exc:
            if not self._unwritable:
                _log.error(
                    "the state of a process cannot be recorded",
                    name=self.name,
                    reason=one_line(exc),
                )
            self._unwritable = True
            return False
        self._unwritable = False
        return True

    def _record(self) -> ProcessRecord:
        return ProcessRecord(
            name=self.name,
            state=self.state,
            since=self.since,
            restarts=self.restarts,
            process=self.identity,
            address=self.spec.address,
            reason=self.reason,
            displaced=self._displaced,
        )


def _how(code: int, last: str) -> str:
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"ended with {how}: {last}" if code >= 0 else f"ended with {how}"
