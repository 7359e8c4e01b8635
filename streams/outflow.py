"""Sends a partition's outputs in the background, so that the fold need not wait for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from streams.errors import WorkerError
from streams.outputs import Output

Send = Callable[[int, Sequence[Output]], Coroutine[Any, Any, None]]


class Outflow:
    """A queue of one partition's outputs, sent together after a short linger, in order.

    An error of sending is kept, and raised by every later call. After `stop` nothing waits:
    `put` takes outputs and forgets them, `reached` says that it won't be.
    """

    def __init__(self, partition: int, send: Send, *, linger_ms: int, waiting_max: int) -> None:
        """Prepare; `start` makes the sending task."""
        self._partition = partition
        self._send = send
        self._linger_s = linger_ms / 1000
        self._waiting_max = waiting_max
        self._waiting: list[Output] = []
        self._put = 0
        self._sent = 0
        self._wake = asyncio.Event()
        self._moved = asyncio.Condition()
        self._hurry = asyncio.Event()
        self._error: BaseException | None = None
        self._stopped = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._run(), name=f"outflow-{self._partition}")

    async def put(self, outputs: Sequence[Output]) -> None:
        """Queue outputs; waits while too many are on their way. Raises what sending raised."""
        self._check()
        if self._stopped:
            return
        self._waiting.extend(outputs)
        self._put += len(outputs)
        self._wake.set()
        if self._put - self._sent > self._waiting_max:
            async with self._moved:
                await self._moved.wait_for(
                    lambda: (
                        self._error
                        or self._stopped
                        or self._put - self._sent <= self._waiting_max // 2
                    )
                )
            self._check()

    @property
    def mark(self) -> int:
        """How many outputs have been queued so far, for `reached`."""
        return self._put

    async def reached(self, mark: int) -> None:
        """Wait until Kafka has acknowledged the first ``mark`` outputs.

        Raises as `put` does, and `streams.errors.WorkerError` where `stop` came before that.
        """
        self._hurry.set()
        async with self._moved:
            await self._moved.wait_for(lambda: self._error or self._stopped or self._sent >= mark)
        self._check()
        if self._sent < mark:
            raise WorkerError(
                f"the outputs of partition {self._partition} were given up before Kafka had "
                "them; whoever takes it over gives them out again"
            )

    async def stop(self) -> None:
        """Stop sending; what still waits is given out again when the log is read again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        async with self._moved:
            self._stopped = True
            self._moved.notify_all()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    async def _run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                await self._linger()
                self._wake.clear()
                batch, self._waiting = self._waiting, []
                await self._send(self._partition, batch)
                async with self._moved:
                    self._sent += len(batch)
                    self._moved.notify_all()
        except Exception as exc:  # noqa: BLE001 -- kept for the callers, who end the process
            async with self._moved:
                self._error = exc
                self._moved.notify_all()

    async def _linger(self) -> None:
        if self._linger_s and not self._hurry.is_set():
            try:
                await asyncio.wait_for(self._hurry.wait(), self._linger_s)
            except TimeoutError:
                return
        self._hurry.clear()
