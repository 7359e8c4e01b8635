"""What is known of a native server before it runs."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class NativeServer:
    """One server: how it is started, asked whether it is ready, and stopped.

    It runs in `folder`, and its configuration names what it keeps relative to that, so that no
    character of the folder's own name can break a configuration file. `prepare` writes that
    configuration (and formats storage the first time); it is awaited before every start.
    `ready` really asks the server, and is False while it doesn't answer; it never raises for a
    server that is away. Java's exit code after SIGTERM is 143, and as good as 0.
    """

    name: str
    port: int
    folder: Path
    argv: tuple[str, ...]
    env: dict[str, str]
    log: Path
    prepare: Callable[[], Awaitable[None]]
    ready: Callable[[], Awaitable[bool]]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 15.0
    ready_timeout_s: float = 60.0


def log_path(data: Path, name: str) -> Path:
    """The log file of the process ``name`` in the data folder."""
    return data / "logs" / f"{name}.log"


def write_config(template: str, target: Path, **values: object) -> None:
    """Fill in one of the shipped templates and write it to ``target``."""
    text = files("infra.native").joinpath(template).read_text(encoding="utf-8")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(Template(text).substitute(values), encoding="utf-8")
