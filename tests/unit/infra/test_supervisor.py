"""The supervisor over real processes: small programs that behave well or badly."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from infra.errors import AlreadyRunningError, SupervisorError
from infra.native import free_port
from infra.screen import AlertBoard
from infra.servers import ServerPorts
from infra.supervisor.backoff import Backoff
from infra.supervisor.child import Child, Silence
from infra.supervisor.identity import Identity, identify
from infra.supervisor.ownership import base_name, living_bridge, owned, stop_leftovers
from infra.supervisor.plan import Plan, stage_specs
from infra.supervisor.records import (
    NO_ANSWER,
    ProbeRecord,
    ProcessRecord,
    log_file,
    read_processes,
    rotate,
    run_folder,
    write_record,
)
from infra.supervisor.run import Supervisor
from infra.supervisor.spec import Check, Spec
from infra.supervisor.view import View
from tests.support.waiting import eventually

FAKE = """
import os, pathlib, signal, sys
mode, folder, name = sys.argv[1:]
folder = pathlib.Path(folder)
def end(*_):
    with (folder / "ended").open("a") as file:
        file.write(name + chr(10))
    sys.exit(0)
if mode == "dies":
    print("no luck today", flush=True)
    sys.exit(1)
if mode == "dies for good":
    import json
    stat = pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    process = {"pid": os.getpid(), "ticks": int(stat[19]), "boot": ""}
    run = folder / "run"
    (run / f"{name}.probe.json").write_text(json.dumps({
        "name": name, "stage": name, "id": "1", "process": process, "port": 1,
        "ended": "another copy has this id", "final": True}))
    sys.exit(1)
signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "stubborn" else end)
if mode != "never ready":
    (folder / f"{name}.ready").write_text(str(os.getpid()))
while True:
    signal.pause()
"""


def ready_file(folder: Path, name: str) -> Check:
    async def check(identity: Identity) -> str | None:
        file = folder / f"{name}.ready"
        if file.exists() and file.read_text(encoding="ascii") == str(identity.pid):
            return None
        return "its file is not there"

    return check


def fake(
    folder: Path,
    name: str,
    mode: str = "good",
    *,
    stop_timeout_s: float = 15.0,
    ready_timeout_s: float = 90.0,
) -> Spec:
    return Spec(
        name=name,
        argv=(sys.executable, "-S", "-c", FAKE, mode, str(folder), name),
        log=log_file(folder, name),
        check=ready_file(folder, name),
        address="127.0.0.1:1",
        stop_timeout_s=stop_timeout_s,
        ready_timeout_s=ready_timeout_s,
    )


STAGE = """
import http.server, json, os, pathlib, sys
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        waiting = (folder / "waiting").exists()
        self.send_response(503 if waiting else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"reasons": {"kafka": "is away"}}).encode())
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Ready)
stat = pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()
boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
process = {"pid": os.getpid(), "ticks": int(stat[19]), "boot": boot}
draft = folder / "run" / "draft"
draft.write_text(json.dumps({
    "name": name, "stage": name, "id": "1", "process": process, "port": server.server_port}))
draft.replace(folder / "run" / f"{name}.probe.json")
server.serve_forever()
"""


@asynccontextmanager
async def stage(folder: Path, program: str = STAGE) -> AsyncIterator[Spec]:
    """A stage as `qala up` asks it whether it is ready, with a small program in its place."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.2)) as session:
        plan = Plan(data=folder, ports=ServerPorts())
        spec = next(spec for spec in stage_specs(plan, session) if spec.name == "sink-chat")
        argv = (sys.executable, "-S", "-c", program, str(folder), spec.name)
        yield replace(spec, argv=argv)


@asynccontextmanager
async def supervised(folder: Path, *, hung_after_s: float = 30.0) -> AsyncIterator[Supervisor]:
    run_folder(folder).mkdir(parents=True, exist_ok=True)
    supervisor = Supervisor(
        folder, run_folder(folder), lambda _child: None, hung_after_s=hung_after_s
    )
    try:
        yield supervisor
    finally:
        supervisor.kill()
        await supervisor.stop([], base_name, lambda _name: None)


def state_of(child: Child) -> Callable[[], Awaitable[str]]:
    async def ask() -> str:
        return child.state

    return ask


def recorded(folder: Path, name: str) -> ProcessRecord | None:
    return next((r for r in read_processes(run_folder(folder)) if r.name == name), None)


def pid_of(child: Child) -> int:
    assert child.identity is not None
    return child.identity.pid


async def test_start_returns_when_every_process_is_ready(tmp_path: Path) -> None:
    async with supervised(tmp_path) as supervisor:
        await supervisor.start([fake(tmp_path, "one"), fake(tmp_path, "two")])
        assert [child.state for child in supervisor.children.values()] == ["ready", "ready"]
        record = recorded(tmp_path, "one")
        assert record is not None
        assert record.alive()
        assert (record.state, record.restarts, record.address) == ("ready", 0, "127.0.0.1:1")


async def test_a_killed_process_is_started_again_and_counted(tmp_path: Path) -> None:
    async with supervised(tmp_path) as supervisor:
        await supervisor.start([fake(tmp_path, "one")])
        child = supervisor.children["one"]
        killed = pid_of(child)
        os.kill(killed, signal.SIGKILL)
        await eventually(state_of(child), lambda state: state == "backoff", timeout_s=5)
        assert child.reason == "ended with signal 9"
        await eventually(state_of(child), lambda state: state == "ready", timeout_s=10)
        assert pid_of(child) != killed
        assert child.restarts == 1


async def test_a_process_that_always_dies_ends_the_start_with_its_last_words(
    tmp_path: Path,
) -> None:
    async with supervised(tmp_path) as supervisor:
        with pytest.raises(SupervisorError, match="ended with exit code 1: no luck today") as told:
            await supervisor.start([fake(tmp_path, "bad", "dies")])
        assert str(log_file(tmp_path, "bad")) in str(told.value)
        assert supervisor.children["bad"].restarts == 3


async def test_a_process_that_is_never_ready_ends_the_start_with_what_it_waits_for(
    tmp_path: Path,
) -> None:
    async with supervised(tmp_path) as supervisor:
        with pytest.raises(SupervisorError, match="waits for: its file is not there"):
            await supervisor.start([fake(tmp_path, "slow", "never ready", ready_timeout_s=0.5)])


async def test_a_process_whose_error_is_final_is_not_started_again(tmp_path: Path) -> None:
    async with supervised(tmp_path) as supervisor:
        with pytest.raises(SupervisorError, match="another copy has this id"):
            await supervisor.start([fake(tmp_path, "taken", "dies for good")])
        child = supervisor.children["taken"]
        assert (child.state, child.restarts) == ("failed", 0)


async def test_a_process_whose_place_another_took_waits_and_comes_back_when_that_has_gone(
    tmp_path: Path,
) -> None:
    rivals = ["a bridge started by hand has its id (pid 7)"]
    async with supervised(tmp_path) as supervisor:
        spec = replace(fake(tmp_path, "one"), rival=lambda: rivals[0] if rivals else None)
        await supervisor.start([spec])
        child = supervisor.children["one"]
        os.kill(pid_of(child), signal.SIGKILL)
        await eventually(state_of(child), lambda state: state == "failed", timeout_s=5)
        assert child.reason == f"{rivals[0]}; this one comes back when that has gone"
        rivals.clear()
        await eventually(state_of(child), lambda state: state == "ready", timeout_s=10)
        assert child.restarts == 1


def test_a_bridge_is_found_by_its_id_while_it_lives(tmp_path: Path) -> None:
    me = identify(os.getpid())
    assert me is not None
    written = ProbeRecord(name="bridge-2", stage="bridge", id="north", process=me, port=1)
    write_record(tmp_path, written)
    write_record(tmp_path, ProbeRecord(name="x", stage="streams", id="1", process=me, port=1))
    gone = Identity(me.pid, me.ticks - 100, me.boot)
    write_record(tmp_path, ProbeRecord(name="bridge", stage="bridge", id="2", process=gone, port=1))
    found = [living_bridge(tmp_path, identity) for identity in ("north", "1", "2")]
    assert found == [written, None, None]


async def test_the_screen_shows_a_stage_started_by_hand_instead_of_one_that_failed(
    tmp_path: Path,
) -> None:
    spec = fake(tmp_path, "bridge")
    child = Child(spec, run_folder(tmp_path), lambda _child: None)
    child.state, child.reason = "failed", "another client has its id"
    me = identify(os.getpid())
    assert me is not None
    async with aiohttp.ClientSession() as session:
        view = View(tmp_path, session, None)
        (before,) = (await view.snapshot([child], AlertBoard())).stages
        probe = ProbeRecord(name="bridge", stage="bridge", id="1", process=me, port=free_port())
        write_record(run_folder(tmp_path), probe)
        (after,) = (await view.snapshot([child], AlertBoard())).stages
    assert (before.state, before.note) == ("failed", "another client has its id")
    assert after.state == "waiting"
    assert after.note == f"started by hand, pid {os.getpid()}; {NO_ANSWER}"


async def test_what_is_no_longer_ready_is_waiting_and_says_for_what(tmp_path: Path) -> None:
    async with supervised(tmp_path) as supervisor:
        await supervisor.start([fake(tmp_path, "one")])
        child = supervisor.children["one"]
        (tmp_path / "one.ready").unlink()
        await eventually(state_of(child), lambda state: state == "waiting", timeout_s=5)
        assert child.reason == "its file is not there"
        (tmp_path / "one.ready").write_text(str(pid_of(child)), encoding="ascii")
        await eventually(state_of(child), lambda state: state == "ready", timeout_s=5)
        assert child.restarts == 0


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


async def test_a_process_that_cannot_be_started_is_told_without_a_traceback(
    tmp_path: Path,
) -> None:
    async with supervised(tmp_path) as supervisor:
        missing = Spec(
            name="absent",
            argv=(str(tmp_path / "no-such-program"),),
            log=log_file(tmp_path, "absent"),
            check=ready_file(tmp_path, "absent"),
        )
        with pytest.raises(SupervisorError, match=r"absent .*No such file or directory"):
            await supervisor.start([missing])


async def test_a_state_that_cannot_be_recorded_neither_ends_the_watch_nor_the_restarts(
    tmp_path: Path,
) -> None:
    in_the_way = run_folder(tmp_path) / "one.json"
    async with supervised(tmp_path) as supervisor:
        in_the_way.mkdir()
        with capture_logs() as logs:
            await supervisor.start([fake(tmp_path, "one")])
            child = supervisor.children["one"]
            killed = pid_of(child)
            os.kill(killed, signal.SIGKILL)
            await eventually(state_of(child), lambda state: state == "backoff", timeout_s=5)
            await eventually(state_of(child), lambda state: state == "ready", timeout_s=10)
        said = [log for log in logs if log["event"] == "the state of a process cannot be recorded"]
        assert [log["name"] for log in said] == ["one"]
        assert pid_of(child) != killed
        assert [file.name for file in run_folder(tmp_path).iterdir()] == ["one.json"]

        in_the_way.rmdir()

        async def state_on_disk() -> str | None:
            record = recorded(tmp_path, "one")
            return record.state if record else None

        assert await eventually(state_on_disk, timeout_s=5) == "ready"


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


async def test_a_check_that_fails_unexpectedly_is_told_once_and_asked_again(
    tmp_path: Path,
) -> None:
    is_ready = ready_file(tmp_path, "one")
    failures = 3

    async def check(identity: Identity) -> str | None:
        nonlocal failures
        if failures:
            failures -= 1
            raise LookupError
        return await is_ready(identity)

    async with supervised(tmp_path) as supervisor:
        with capture_logs() as logs:
            await supervisor.start([replace(fake(tmp_path, "one"), check=check)])
        assert failures == 0
        assert supervisor.children["one"].restarts == 0
        told = "a process cannot be asked whether it is ready"
        assert [log["event"] for log in logs].count(told) == 1


async def test_a_stage_that_lives_but_does_not_answer_is_killed_and_started_again(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as spec, supervised(tmp_path, hung_after_s=0.8) as supervisor:
        await supervisor.start([spec])
        child = supervisor.children[spec.name]
        hung = pid_of(child)
        with capture_logs() as logs:
            os.kill(hung, signal.SIGSTOP)
            await eventually(state_of(child), lambda state: state == "backoff", timeout_s=10)
        assert child.reason == "did not answer for 0.8 s and was killed"
        assert "a process that does not answer is killed" in [log["event"] for log in logs]
        assert identify(hung) is None
        await eventually(state_of(child), lambda state: state == "ready", timeout_s=10)
        assert pid_of(child) != hung
        assert child.restarts == 1


async def test_a_stage_that_answers_that_it_waits_is_left_alone(tmp_path: Path) -> None:
    async with stage(tmp_path) as spec, supervised(tmp_path, hung_after_s=0.5) as supervisor:
        await supervisor.start([spec])
        child = supervisor.children[spec.name]
        (tmp_path / "waiting").touch()
        await eventually(state_of(child), lambda state: state == "waiting", timeout_s=5)
        assert child.reason == "kafka: is away"
        since = time.monotonic()

        async def waited_s() -> float:
            return time.monotonic() - since

        await eventually(waited_s, lambda waited: waited > 1.0)
        assert (child.state, child.restarts) == ("waiting", 0)


async def test_a_stage_that_has_not_answered_yet_is_not_killed(tmp_path: Path) -> None:
    mute = STAGE.replace("server.serve_forever()", "import signal; signal.pause()")
    async with stage(tmp_path, mute) as spec, supervised(tmp_path, hung_after_s=0.3) as supervisor:
        with pytest.raises(SupervisorError, match=f"waits for: {NO_ANSWER}"):
            await supervisor.start([replace(spec, ready_timeout_s=1.5)])
        assert supervisor.children[spec.name].restarts == 0


def test_one_late_answer_after_a_pause_of_the_machine_does_not_count_as_hung() -> None:
    silence = Silence(limit_s=30)
    assert not silence.after(answered=False, lasted_s=600)
    assert not silence.after(answered=True, lasted_s=1)
    assert [silence.after(answered=False, lasted_s=4) for _ in range(8)] == [False] * 7 + [True]


SUPERVISOR = """
import asyncio, pathlib, sys
from infra.supervisor.ownership import owned
from tests.unit.infra.test_supervisor import fake, supervised
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


def test_waits_between_starts_double_to_ten_seconds_and_begin_anew_after_a_healthy_minute() -> None:
    backoff = Backoff()
    waits = [backoff.after(lived_s=1) for _ in range(7)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert backoff.after(lived_s=60) == 0.5
    assert backoff.after(lived_s=1) == 1.0


def test_a_dead_process_that_is_not_collected_does_not_count_as_alive() -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        identity = identify(process.pid)
        assert identity is not None
        assert identity.alive()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not identity.alive()


def test_records_survive_a_half_written_file(tmp_path: Path) -> None:
    write_record(tmp_path, ProcessRecord(name="one", state="ready", since=1.0))
    (tmp_path / "two.json").write_text('{"name": "tw', encoding="ascii")
    assert [record.name for record in read_processes(tmp_path)] == ["one"]
    assert json.loads((tmp_path / "one.json").read_text(encoding="ascii"))["state"] == "ready"


def test_a_full_disk_leaves_the_former_record_and_no_draft(tmp_path: Path) -> None:
    write_record(tmp_path, ProcessRecord(name="one", state="ready", since=1.0))
    (tmp_path / f".one.json.{os.getpid()}").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        write_record(tmp_path, ProcessRecord(name="one", state="stopped", since=2.0))
    assert [file.name for file in tmp_path.iterdir()] == ["one.json"]
    assert [record.state for record in read_processes(tmp_path)] == ["ready"]


def test_a_log_that_has_grown_large_is_set_aside_at_the_next_start(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    log.write_bytes(b"x" * 1000)
    rotate(log)
    assert log.exists()
    os.truncate(log, 21 * 1024 * 1024)
    rotate(log)
    assert not log.exists()
    assert (tmp_path / "one.log.1").stat().st_size == 21 * 1024 * 1024


@pytest.mark.parametrize(
    "name,base",
    [("bridge-2", "bridge"), ("sink-influx", "sink-influx"), ("sink-influx-12", "sink-influx")],
)
def test_a_further_copy_belongs_to_its_base_name(name: str, base: str) -> None:
    assert base_name(name) == base
