"""`qala servers down` beside a `qala up` that stops already."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.cli.run_stack import stop_stack
from infra.supervisor.identity import identify
from infra.supervisor.records import SUPERVISOR, ProcessRecord, run_folder, stopping, write_record
from tests.support.waiting import eventually

_UP = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("up", flush=True)
sys.stdin.read()
"""


async def test_a_stop_in_progress_is_waited_for_and_not_hurried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # a second signal would make it kill everything at once
    with subprocess.Popen(  # noqa: ASYNC220 - started in no time
        [sys.executable, "-c", _UP], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as up:
        assert up.stdin is not None
        assert up.stdout is not None
        assert up.stdout.readline() == b"up\n"
        record = ProcessRecord(
            name=SUPERVISOR, state="ready", since=time.time(), process=identify(up.pid)
        )
        write_record(run_folder(tmp_path), stopping(record))
        down = asyncio.create_task(asyncio.to_thread(stop_stack, data=tmp_path))

        async def said() -> str:
            return capsys.readouterr().out

        await eventually(said, lambda out: "is stopping already" in out)
        assert not down.done()
        up.stdin.close()
        assert up.wait(timeout=20) == 0
        await down
    assert capsys.readouterr().out.strip() == "stopped"
