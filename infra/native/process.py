"""Starting, awaiting and stopping a native server's process."""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import Process
from pathlib import Path

from infra.native.errors import NotReadyError, ServerDiedError
from infra.native.ports import check_port_free
from infra.native.server import NativeServer

_POLL_S = 0.05
_LAST_WORDS_BYTES = 16_384


async def start(server: NativeServer) -> Process:
    """Prepare and start a server; its output is appended to its log file.

    The child leads a session of its own, so that Ctrl-C in a terminal reaches only us, who
    stop things in order. Not ready yet when this returns: see `wait_ready`.

    Raises:
        PortInUseError: someone listens on its port.
        ServerError: its storage could not be prepared.
    """
    check_port_free(server.name, server.port)
    await server.prepare()
    server.log.parent.mkdir(parents=True, exist_ok=True)
    with server.log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            *server.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=server.folder,
            env=os.environ | server.env,
            start_new_session=True,
        )


async def wait_ready(server: NativeServer, process: Process) -> None:
    """Return when the server answers.

    Raises:
        ServerDiedError: its process ended first; says its exit code and last words.
        NotReadyError: it runs, but has not answered within ``ready_timeout_s``.
    """
    try:
        async with asyncio.timeout(server.ready_timeout_s):
            while True:
                if process.returncode is not None:
                    raise died(server, process.returncode)
                # asked only while it lives: another program on the port is not our server
                if await server.ready() and process.returncode is None:
                    return
                await asyncio.sleep(_POLL_S)
    except TimeoutError as exc:
        raise NotReadyError(
            f"{server.name}: no answer on port {server.port} after {server.ready_timeout_s:.0f} s; "
            f"its log: {server.log}"
        ) from exc


async def stop(server: NativeServer, process: Process) -> int:
    """Ask a server to end, kill it after ``stop_timeout_s``, and return its exit code."""
    if process.returncode is None:
        process.send_signal(server.stop_signal)
        try:
            await asyncio.wait_for(process.wait(), server.stop_timeout_s)
        except TimeoutError:
            process.kill()
    return await process.wait()


def died(server: NativeServer, exit_code: int) -> ServerDiedError:
    """The error for a server whose process ended by itself."""
    how = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
    return ServerDiedError(
        f"{server.name} ended with {how}: {last_words(server.log)} (all of it: {server.log})"
    )


def last_words(log: Path) -> str:
    """The last line of a log that says something: no blank line, no line of a stack trace."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_WORDS_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return "it wrote no log"
    telling = [line for line in lines if line.strip() and not line[0].isspace()]
    return _said(telling[-1].strip()) if telling else "its log is empty"


def _said(line: str) -> str:
    """What a line says; one of a stage is a JSON object, of which people need the sentence."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict) or "event" not in entry:
        return line
    reason = entry.get("reason")
    return f"{entry['event']}: {reason}" if reason else str(entry["event"])
