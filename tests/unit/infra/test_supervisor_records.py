"""What is on disk of a process: its record, its identity, its log."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from infra.supervisor.identity import Identity, identify
from infra.supervisor.ownership import base_name, living_bridge
from infra.supervisor.records import (
    ProbeRecord,
    ProcessRecord,
    read_processes,
    rotate,
    write_record,
)


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
