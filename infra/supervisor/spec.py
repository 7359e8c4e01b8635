"""What a supervisor knows of a process before it runs."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.supervisor.identity import Identity

Check = Callable[[Identity], Awaitable[str | None]]
"""Asks a process whether it does its work: None, or what it waits for. Never raises."""


Rival = Callable[[], str | None]
"""Who else has the place of a process at this moment, in words for its user; None: nobody."""


async def _nothing() -> None:
    """Nothing has to be prepared."""


def _nobody() -> None:
    """Nobody else can have its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One process: how it is started, asked whether it is ready, and stopped.

    ``prepare`` is awaited before each start and may raise an error of ours. ``env`` is added to
    the supervisor's environment; output is appended to ``log``. While there is a ``rival``, a
    process that ended is not started again.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    check: Check
    env: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    prepare: Callable[[], Awaitable[None]] = _nothing
    rival: Rival = _nobody
    address: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 15.0
    ready_timeout_s: float = 90.0
