"""`qala ps`, and what a stage that runs or failed leaves for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from infra.cli.entry import run
from infra.cli.host import refuse_second_bridge
from infra.cli.look_processes import gather
from infra.doctor.ask_stages import ask_stages
from infra.native import free_port
from infra.probe import free_name
from infra.supervisor.identity import Identity, identify
from infra.supervisor.records import (
    SUPERVISOR,
    ProbeRecord,
    ProcessRecord,
    read_probe,
    run_folder,
    write_record,
)
from tests.support.programs import env

pytestmark = pytest.mark.usefixtures("alone")


def test_a_stage_with_a_weak_key_ends_with_one_line_and_leaves_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "bridge"],
        capture_output=True, text=True, check=False, env={**env(), "QALA_PERSON_KEY": "weak"},
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("qala: the key for persons' ids")
    assert "Traceback" not in done.stderr
    probe = read_probe(Path(".qala/run"), "bridge")
    assert probe is not None
    assert probe.final
    assert probe.ended is not None
    assert probe.ended in last
    assert probe.at_start


async def test_ps_and_doctor_agree_on_a_stage_that_failed_at_its_start() -> None:
    folder = Path(".qala/run")
    mine = _mine("bridge-2", "z")
    gone = msgspec.structs.replace(
        mine, process=Identity(1, 0, "another boot"), ended="the key is weak", at_start=True
    )
    write_record(folder, gone)
    (shown,) = await gather(folder)
    assert (shown.name, shown.pid, shown.state) == ("bridge-2", None, "failed")
    assert shown.reason == "the key is weak"
    assert [one.ended for one in (await ask_stages(Path(".qala"))).stages] == ["the key is weak"]
    file = folder / "bridge-2.probe.json"
    old_s = time.time() - 660
    os.utime(file, (old_s, old_s))
    assert await gather(folder) == []
    assert (await ask_stages(Path(".qala"))).stages == ()
    later = msgspec.structs.replace(gone, at_start=False)  # it had worked: that stays a matter
    write_record(folder, later)
    os.utime(file, (old_s, old_s))
    assert len(await gather(folder)) == len((await ask_stages(Path(".qala"))).stages) == 1


def test_a_stage_that_is_started_again_forgets_how_it_failed_under_another_name() -> None:
    folder = Path(".qala/run")
    gone = msgspec.structs.replace(
        _mine("bridge-7", "1"), process=Identity(1, 0, "another boot"), ended="x"
    )
    other = msgspec.structs.replace(gone, name="bridge-8", id="y")
    write_record(folder, gone)
    write_record(folder, other)
    subprocess.run(
        [sys.executable, "-m", "infra.cli", "bridge"],
        capture_output=True, check=False, env={**env(), "QALA_PERSON_KEY": "weak"},
    )  # fmt: skip
    assert read_probe(folder, "bridge-7") is None
    assert read_probe(folder, "bridge-8") == other


def test_ps_of_an_empty_data_folder_says_so_in_words_and_in_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["ps"]) == 0
    assert "nothing runs on" in capsys.readouterr().out
    assert run(["ps", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_ps_shows_a_living_process_and_calls_a_dead_one_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_folder(tmp_path / ".qala")
    me = identify(os.getpid())
    assert me is not None
    gone = subprocess.Popen(["/bin/true"])
    dead = identify(gone.pid)
    gone.wait()
    for name, process in (("kafka", me), ("mosquitto", dead)):
        record = ProcessRecord(
            name=name, state="ready", since=time.time() - 60, restarts=2, process=process,
            address="127.0.0.1:1",
        )  # fmt: skip
        write_record(folder, record)
    assert run(["ps", "--json"]) == 0
    mosquitto, kafka = json.loads(capsys.readouterr().out)
    assert set(kafka) == {"name", "pid", "state", "restarts", "since", "metrics", "reason"}
    assert (kafka["name"], kafka["pid"], kafka["state"]) == ("kafka", os.getpid(), "ready")
    assert kafka["restarts"] == 2
    assert kafka["metrics"]["address"] == "127.0.0.1:1"
    assert kafka["metrics"]["process_resident_memory_bytes"] > 1e6
    assert (mosquitto["name"], mosquitto["pid"], mosquitto["state"]) == (
        "mosquitto", None, "stopped",
    )  # fmt: skip


def _mine(name: str, identity: str = "1") -> ProbeRecord:
    """A record as if this process were the stage ``name``."""
    me = identify(os.getpid())
    assert me is not None
    return ProbeRecord(
        name=name, stage=name.partition("-")[0], id=identity, process=me, port=free_port()
    )


def test_a_second_bridge_with_an_id_in_use_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(Path(".qala/run"), _mine("bridge"))
    assert run(["bridge"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"bridge '1' runs on .qala already (pid {os.getpid()})" in err
    assert "--id north" in err
    refuse_second_bridge(Path(".qala"), "north")
    monkeypatch.setenv("QALA_PROCESS_NAME", "bridge")  # a supervisor's own
    refuse_second_bridge(Path(".qala"), "1")


def test_ps_shows_a_stage_started_by_hand_instead_of_the_one_that_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(".qala/run")
    write_record(folder, ProcessRecord(name="bridge", state="failed", since=0, restarts=3))
    write_record(folder, _mine("bridge"))
    assert run(["ps", "--json"]) == 0
    out, err = capsys.readouterr()
    (shown,) = json.loads(out)
    assert (shown["name"], shown["pid"], shown["state"]) == ("bridge", os.getpid(), "waiting")
    assert err == ""


def test_ps_says_that_nothing_watches_what_a_killed_up_has_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(".qala/run")
    me = _mine("x").process
    write_record(folder, ProcessRecord(name="kafka", state="ready", since=0, process=me))
    assert run(["ps", "--json"]) == 0
    out, err = capsys.readouterr()
    assert [one["name"] for one in json.loads(out)] == ["kafka"]
    assert err.startswith("nothing watches these processes")
    assert err.count("\n") == 1
    write_record(folder, ProcessRecord(name=SUPERVISOR, state="ready", since=0, process=me))
    assert run(["ps"]) == 0
    assert capsys.readouterr().err == ""


def test_a_stage_started_by_hand_is_in_ps_and_a_signal_ends_it_with_0(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "infra.cli", "bridge"], stderr=subprocess.DEVNULL, env=env()
    ) as stage:
        try:
            deadline = time.monotonic() + 20
            while read_probe(Path(".qala/run"), "bridge") is None:
                assert time.monotonic() < deadline, "the stage has written no record"
                time.sleep(0.05)
            assert run(["ps", "--json"]) == 0
            (shown,) = json.loads(capsys.readouterr().out)
            assert (shown["name"], shown["pid"]) == ("bridge", stage.pid)
            assert shown["state"] == "waiting"  # no broker is there
            assert shown["metrics"]["probe"] > 0
            assert shown["metrics"]["process_cpu_seconds_total"] > 0
            assert free_name(run_folder(Path(".qala")), "bridge") == "bridge-2"
            stage.send_signal(signal.SIGTERM)
            assert stage.wait(20) == 0
        finally:
            stage.kill()
    assert read_probe(Path(".qala/run"), "bridge") is None


def test_servers_down_where_nothing_runs_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["servers", "down"]) == 0
    assert "nothing runs on" in capsys.readouterr().out
