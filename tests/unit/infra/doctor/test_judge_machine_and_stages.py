from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from infra.doctor.ask_machine import SERVERS, Disk, MachineSeen, ask_machine, java_major
from infra.doctor.ask_stages import StageSeen, StagesSeen, ask_stages
from infra.doctor.finding import Finding
from infra.doctor.judge_machine import judge_machine
from infra.doctor.judge_stages import judge_stages
from infra.supervisor.identity import Identity
from infra.supervisor.records import (
    ProbeRecord,
    ProcessRecord,
    State,
    run_folder,
    write_record,
)

DATA = Path("/data")
MACHINE = MachineSeen(
    data=DATA,
    free_mb=50_000,
    writable=True,
    memory_mb=4000,
    open_files=65_536,
    python="3.11.7",
    java=17,
    native=None,
    synchronised=True,
)
BRIDGE = StageSeen(
    name="bridge",
    stage="bridge",
    id="1",
    pid=4711,
    keeper=None,
    alive=True,
    reasons={},
    ended=None,
    log=DATA / "b.log",
)
STAGES = StagesSeen(data=DATA, supervised=False, stages=(BRIDGE,), troubled=())


def machine(*, elsewhere=(), **changes) -> list[Finding]:
    found = judge_machine(replace(MACHINE, **changes), min_free_mb=2048, elsewhere=elsewhere)
    return [finding for finding in found if finding.state != "ok"]


def keeper(state: State, reason: str | None = None) -> ProcessRecord:
    """What a living `qala up` has recorded of the bridge."""
    return ProcessRecord(name="bridge", state=state, since=0.0, reason=reason)


def stages(*changed: StageSeen, **more) -> list[Finding]:
    found = judge_stages(replace(STAGES, stages=changed, **more))
    return [finding for finding in found if finding.state != "ok"]


def test_a_machine_with_room_is_in_order():
    assert machine() == []


def test_free_space_is_judged_by_min_free_mb():
    (full,) = machine(free_mb=2047)
    assert full.state == "problem"
    assert full.what == "2.0 GB free at /data, and there should be 2.0 GB (min_free_mb)"
    assert "du -sh /data/*" in str(full.mend)
    (soon,) = machine(free_mb=4000)
    assert soon.state == "warning"


def test_space_on_other_machines_is_unknown():
    (found,) = machine(elsewhere=["Kafka", "InfluxDB"])
    assert found.state == "unknown"
    assert "InfluxDB, Kafka" in found.what


def test_memory_is_no_disk_where_all_servers_are_elsewhere():
    (space, others) = machine(in_memory=True, elsewhere=SERVERS)
    assert (space.check, space.state) == ("space", "unknown")
    assert others.check == "space elsewhere"
    # where `qala up` keeps its data there it counts
    assert machine(in_memory=True) == []
    (full,) = machine(in_memory=True, free_mb=1)
    assert full.state == "problem"


def test_a_disk_of_a_servers_own_is_looked_at():
    kafka, influx = Path("/srv/kafka"), Path("/data/influxdb")
    (full, others) = (
        machine(
            in_memory=True,
            disks={"Kafka": Disk(kafka, 100), "InfluxDB": Disk(influx, 9000)},
            elsewhere=["InfluxDB", "Kafka"],
        )[:2],
        machine(disks={"Kafka": Disk(kafka, 9000)}, elsewhere=["Kafka", "InfluxDB"]),
    )
    assert [finding.what.split(" free at ")[1].split(",")[0] for finding in full] == [
        "/srv/kafka of Kafka"
    ]
    assert "give Kafka a larger one" in str(full[0].mend)
    assert [finding.what for finding in others] == [
        "free space of InfluxDB can't be seen from here"
    ]


async def test_a_servers_folder_on_another_disk_is_a_disk_of_its_own(tmp_path):
    (tmp_path / "mosquitto").mkdir()
    (tmp_path / "kafka").symlink_to("/dev/shm")  # noqa: S108
    seen = await ask_machine(tmp_path, {"PATH": ""})
    assert seen.servers == {"Mosquitto", "Kafka"}
    assert list(seen.disks) == ["Kafka"]


async def test_a_scratch_folder_in_memory_is_known_as_such():
    assert (await ask_machine(Path("/dev/shm/qala"), {"PATH": ""})).in_memory  # noqa: S108
    assert not (await ask_machine(Path(__file__).parent, {"PATH": ""})).in_memory


@pytest.mark.parametrize(
    "changes, state",
    [
        ({"writable": False}, "problem"),
        ({"memory_mb": 100}, "warning"),
        ({"open_files": 1024}, "warning"),
        ({"java": 11}, "problem"),
        ({"native": "Kafka is not in /x; run `make setup`"}, "unknown"),
    ],
)
def test_what_the_machine_lacks_is_told(changes, state):
    (found,) = machine(**changes)
    assert found.state == state
    assert found.mend


def test_no_limit_of_open_files_is_in_order():
    assert machine(open_files=-1) == []


def test_java_versions_are_read_in_both_forms():
    assert java_major('openjdk version "17.0.2" 2022-01-18') == 17
    assert java_major('java version "1.8.0_292"') == 8
    assert java_major("no such thing") is None


async def test_this_machine_can_be_asked_about_a_folder_that_is_not_there_yet(tmp_path):
    seen = await ask_machine(tmp_path / "not" / "yet", {"PATH": ""})
    assert seen.free_mb > 0
    assert seen.writable
    assert seen.native


def test_a_ready_stage_is_in_order():
    assert stages(BRIDGE) == []


def test_a_stage_that_waits_says_for_what():
    (found,) = stages(replace(BRIDGE, reasons={"kafka": "connecting"}))
    assert found.what == "it waits for kafka: connecting"


def test_a_stage_that_does_not_answer_is_a_problem():
    (found,) = stages(replace(BRIDGE, reasons=None))
    assert "(pid 4711), and its /ready does not answer" in found.what
    assert "`kill -9 4711`: start it again with `qala bridge --id 1`" in str(found.mend)
    (kept,) = stages(replace(BRIDGE, reasons=None, keeper=keeper("waiting")))
    assert "when it has hung for 30 s" in str(kept.mend)
    # one that was never ready is not killed by it
    (starting,) = stages(replace(BRIDGE, reasons=None, keeper=keeper("starting")))
    assert str(starting.mend).endswith("`qala up` starts it again")


def test_a_stage_that_ended_or_was_killed_is_told_with_its_command():
    (ended,) = stages(replace(BRIDGE, alive=False, ended="another bridge has started"))
    assert ended.what == "it ended: another bridge has started"
    assert "`qala bridge --id 1`" in str(ended.mend)
    (killed,) = stages(replace(BRIDGE, stage="sink-chat", alive=False))
    assert "`qala sink chat`" in str(killed.mend)
    (city,) = stages(replace(BRIDGE, stage="simulator", alive=False))
    assert "`qala simulate`" in str(city.mend)


def test_a_stage_of_qala_up_is_left_to_it() -> None:
    for ended in (None, "Kafka has gone"):
        dead = replace(BRIDGE, alive=False, ended=ended, keeper=keeper("backoff"))
        (again,) = stages(dead, supervised=True)
        assert again.state == "warning"
        assert "is about to start it again" in again.what
        assert ended is None or ended in again.what


def test_a_stage_that_ends_again_and_again_is_a_problem() -> None:
    loop = replace(keeper("backoff"), restarts=7)
    (found,) = stages(replace(BRIDGE, alive=False, ended="no topic", keeper=loop))
    assert found.state == "problem"
    assert "7 times again; it ended last with: no topic" in found.what


def test_a_stage_that_qala_up_stops_is_not_about_to_come_back() -> None:
    (found,) = stages(replace(BRIDGE, alive=False, keeper=keeper("stopped")))
    assert (found.state, found.what) == ("unknown", "`qala up` stops it")


def test_a_stage_that_qala_up_has_given_up_needs_a_new_start_of_all() -> None:
    # by hand beside it, another key and other settings could be in force
    given_up = replace(BRIDGE, alive=False, ended="no key", keeper=keeper("failed", "exit code 1"))
    (found,) = stages(given_up, supervised=True)
    assert found.what == "it ended for good: no key"
    assert str(found.mend) == "mend that, and start `qala up` again (Ctrl-C ends it in order)"


def test_a_stage_whose_place_another_has_comes_back_by_itself() -> None:
    reason = "a bridge started by hand has its id (pid 7)"
    waiting = replace(keeper("failed", reason), displaced=True)
    displaced = replace(BRIDGE, alive=False, ended="taken over", keeper=waiting)
    (found,) = stages(displaced, supervised=True)
    assert found.what == reason
    assert "`qala up` again" not in str(found.mend)


def test_two_bridges_with_one_id_are_a_problem():
    (found,) = stages(BRIDGE, replace(BRIDGE, name="bridge-2"))
    assert found.check == "bridge 1"
    assert "--id of its own" in str(found.mend)
    assert stages(BRIDGE, replace(BRIDGE, name="bridge-2", id="2")) == []
    # one that has ended with that word is told by itself
    assert [
        f.check for f in stages(BRIDGE, replace(BRIDGE, name="old", alive=False, ended="x"))
    ] == ["old"]


def test_no_stage_at_all_is_unknown():
    assert [finding.state for finding in stages()] == ["unknown"]


def test_a_server_that_the_supervisor_cannot_keep_is_named():
    record = ProcessRecord(name="kafka", state="failed", since=0.0, reason="it ended with 1")
    (found,) = stages(BRIDGE, troubled=(record,))
    assert (found.check, found.state) == ("kafka", "problem")
    assert "/data/logs/kafka.log" in str(found.mend)


def test_one_whose_place_another_has_is_told_of_the_other_also_without_a_record_of_its_own():
    why = "another program has the MQTT session of bridge 1"
    record = ProcessRecord(name="bridge-1", state="starting", since=0.0, reason=why, displaced=True)
    (found,) = stages(BRIDGE, troubled=(record,))
    assert found.what == why
    assert "end that other one" in str(found.mend)


async def test_records_of_ended_stages_are_read(tmp_path):
    gone = Identity(pid=1, ticks=0, boot="another boot")
    record = ProbeRecord(
        name="streams", stage="streams", id="w", process=gone, port=1, ended="it broke"
    )
    write_record(run_folder(tmp_path), record)
    seen = await ask_stages(tmp_path)
    (stage,) = seen.stages
    assert (stage.name, stage.alive, stage.ended) == ("streams", False, "it broke")
    assert not seen.supervised
