"""The supervisor over real processes: it starts them, waits, and starts them again."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from infra.errors import SupervisorError
from infra.native import free_port
from infra.screen import AlertBoard
from infra.supervisor.backoff import Backoff
from infra.supervisor.child import Child, Silence
from infra.supervisor.identity import Identity, identify
from infra.supervisor.records import NO_ANSWER, ProbeRecord, log_file, run_folder, write_record
from infra.supervisor.spec import Spec
from infra.supervisor.view import View
from tests.support.supervised import (
    STAGE,
    fake,
    pid_of,
    ready_file,
    recorded,
    stage,
    state_of,
    supervised,
)
from tests.support.waiting import eventually


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
        record = recorded(tmp_path, "one")
        assert record is not None
        assert record.displaced
        rivals.clear()
        await eventually(state_of(child), lambda state: state == "ready", timeout_s=10)
        back = recorded(tmp_path, "one")
        assert back is not None
        assert not back.displaced
        assert child.restarts == 1


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


def test_waits_between_starts_double_to_ten_seconds_and_begin_anew_after_a_healthy_minute() -> None:
    backoff = Backoff()
    waits = [backoff.after(lived_s=1) for _ in range(7)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert backoff.after(lived_s=60) == 0.5
    assert backoff.after(lived_s=1) == 1.0
