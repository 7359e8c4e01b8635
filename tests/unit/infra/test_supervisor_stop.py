"""How a supervisor stops its processes, and those that a killed one left."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.errors import AlreadyRunningError, SupervisorError
from infra.supervisor.identity import Identity, identify
from infra.supervisor.ownership import base_name, owned, stop_leftovers
from infra.supervisor.records import ProcessRecord, read_processes, run_folder, write_record
from tests.support.supervised import fake, pid_of, supervised


async def test_stop_goes_group_by_group_and_leaves_no_process(tmp_path: Path) -> None:
    async with supervised(tmp_path) as supervisor:
        names = ["mosquitto", "bridge", "bridge-2", "other", "simulator"]
        await supervisor.start([fake(tmp_path, name) for name in names])
        pids = [pid_of(child) for child in supervisor.children.values()]
        groups = [frozenset({"simulator"}), frozenset({"bridge"}), frozenset({"mosquitto"})]
        told: list[str] = []
        await supervisor.stop(groups, base_name, told.append)
        assert told == ["simulator", "bridge", "bridge-2", "mosquitto", "other"]
        ended = (tmp_path / "ended").read_text(encoding="ascii").split()
        assert ended[0] == "simulator"
        assert set(ended[1:3]) == {"bridge", "bridge-2"}
        assert ended[3:] == ["mosquitto", "other"]
        assert [pid for pid in pids if identify(pid)] == []
        supervisor.forget()
        assert read_processes(run_folder(tmp_path)) == []


async def test_a_process_that_ignores_sigterm_is_killed_after_its_time(tmp_path: Path) -> None:
    async with supervised(tmp_path) as supervisor:
        await supervisor.start([fake(tmp_path, "one", "stubborn", stop_timeout_s=0.3)])
        pid = pid_of(supervisor.children["one"])
        assert await supervisor.children["one"].stop() is False
        assert identify(pid) is None


async def test_a_process_that_waits_for_its_next_start_is_stopped_at_once(tmp_path: Path) -> None:
    async with supervised(tmp_path) as supervisor:
        with pytest.raises(SupervisorError):
            await supervisor.start([fake(tmp_path, "bad", "dies")])
        async with asyncio.timeout(1):  # the next start would be 4 s away
            await supervisor.stop([], base_name, lambda _name: None)
        assert supervisor.children["bad"].state == "stopped"


async def test_stop_leaves_no_process_where_no_state_can_be_recorded(tmp_path: Path) -> None:
    async with supervised(tmp_path) as supervisor:
        await supervisor.start([fake(tmp_path, "bridge"), fake(tmp_path, "kafka")])
        pids = [pid_of(child) for child in supervisor.children.values()]
        for name in ("bridge", "kafka"):
            (run_folder(tmp_path) / f"{name}.json").unlink()
            (run_folder(tmp_path) / f"{name}.json").mkdir()
        groups = [frozenset({"bridge"}), frozenset({"kafka"})]
        await supervisor.stop(groups, base_name, lambda _name: None)
        assert [pid for pid in pids if identify(pid)] == []
        assert [child.state for child in supervisor.children.values()] == ["stopped", "stopped"]


async def test_stop_goes_through_all_groups_before_it_tells_what_went_wrong(
    tmp_path: Path,
) -> None:
    def broken_terminal(name: str) -> None:
        if name == "bridge":
            raise BrokenPipeError

    async with supervised(tmp_path) as supervisor:
        await supervisor.start([fake(tmp_path, "bridge"), fake(tmp_path, "kafka")])
        pids = [pid_of(child) for child in supervisor.children.values()]
        groups = [frozenset({"bridge"}), frozenset({"kafka"})]
        with pytest.raises(SupervisorError, match=r"went wrong with bridge \(BrokenPipeError\)"):
            await supervisor.stop(groups, base_name, broken_terminal)
        assert (tmp_path / "ended").read_text(encoding="ascii").split() == ["bridge", "kafka"]
        assert [pid for pid in pids if identify(pid)] == []


SUPERVISOR = """
import asyncio, pathlib, sys
from infra.supervisor.ownership import owned
from tests.support.supervised import fake, supervised
async def main(folder):
    with owned(folder):
        async with supervised(folder) as supervisor:
            await supervisor.start([fake(folder, "one"), fake(folder, "two", "stubborn")])
            print("ready", flush=True)
            await asyncio.Event().wait()
asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


async def test_the_next_run_stops_what_a_killed_supervisor_left_and_nothing_else(
    tmp_path: Path,
) -> None:
    killed = subprocess.Popen(  # noqa: ASYNC220 - read once, below
        [sys.executable, "-c", SUPERVISOR, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert killed.stdout is not None
    assert killed.stdout.readline() == "ready\n"
    with pytest.raises(AlreadyRunningError, match="already runs on"), owned(tmp_path):
        pass
    killed.kill()
    killed.wait()
    killed.stdout.close()
    left = [record for record in read_processes(run_folder(tmp_path)) if record.alive()]
    assert sorted(record.name for record in left) == ["one", "two"]

    bystander = subprocess.Popen(["/bin/sleep", "60"])  # noqa: ASYNC220 - ended below
    try:
        mine = identify(bystander.pid)
        assert mine is not None
        # a recorded pid that another process has now: equal pid, other start
        reused = Identity(mine.pid, mine.ticks - 100, mine.boot)
        write_record(
            run_folder(tmp_path),
            ProcessRecord(name="bridge", state="ready", since=time.time(), process=reused),
        )
        said: list[str] = []
        with owned(tmp_path) as folder:
            groups = [frozenset({"one", "two", "bridge"})]
            assert await stop_leftovers(folder, groups, said.append, patience_s=0.3) == 2
        assert said == ["a former run left processes behind; stopping them: one, two"]
        assert not any(record.alive() for record in left)
        assert bystander.poll() is None
        assert read_processes(run_folder(tmp_path)) == []
    finally:
        bystander.kill()
        bystander.wait()
