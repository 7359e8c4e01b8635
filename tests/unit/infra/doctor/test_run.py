"""One part that can't be looked at leaves the others as they are."""

from __future__ import annotations

from msgspec.structs import replace

from infra.doctor.ask_kafka import KafkaSeen
from infra.doctor.ask_machine import Disk
from infra.doctor.finding import Away
from infra.doctor.kafka_disk import MARK
from infra.doctor.run import _elsewhere, _groups, _patiently, _with_kafka
from infra.settings import Settings
from tests.unit.infra.doctor.test_judge_machine_and_stages import MACHINE


async def test_whatever_a_client_raises_is_told_of_its_part_alone():
    async def odd() -> str:
        raise NotImplementedError("no such version")

    told = await _patiently("Kafka", odd())
    assert isinstance(told, Away)
    assert told.what == "looking at Kafka failed (NotImplementedError: no such version)"


def test_the_chat_sink_has_a_group_for_each_messenger(tmp_path):
    plain = _groups(Settings(data=tmp_path))
    assert plain == ["qala-streams", "qala-sink-influx", "qala-sink-chat.file"]
    given = Settings(data=tmp_path, chat={"urls": ["json://127.0.0.1", "json://127.0.0.2"]})
    assert len(_groups(given)) == 4
    wrong = Settings(data=tmp_path, chat={"urls": ["nosuch://token-123"]})
    assert len(_groups(wrong)) == 2
    running = _groups(wrong, {"json-1", "file"})
    assert running[2:] == ["qala-sink-chat.file", "qala-sink-chat.json-1"]


def test_a_server_of_this_machine_that_has_no_folder_in_the_data_folder_writes_elsewhere(tmp_path):
    settings = Settings(data=tmp_path)  # all on loopback
    assert _elsewhere(settings, MACHINE) == ["Mosquitto", "Kafka", "InfluxDB"]
    ours = replace(MACHINE, servers=frozenset({"Mosquitto", "InfluxDB"}))
    assert _elsewhere(settings, ours) == ["Kafka"]
    away = settings.influx.model_copy(update={"url": "http://influx.example.org"})
    assert _elsewhere(settings.model_copy(update={"influx": away}), ours) == ["Kafka", "InfluxDB"]


def kafka(**broker: str) -> KafkaSeen:
    return KafkaSeen(
        user=None, apis={}, brokers=1, deaf={}, topics={}, broker=broker, groups=(), cluster_id="c1"
    )


def test_kafkas_disk_is_looked_at_where_its_own_mark_is_found(tmp_path):
    seen = kafka(**{"log.dirs": f"{tmp_path / 'a'},{tmp_path / 'b'}"})
    for name in ("a", "b"):
        assert _with_kafka(MACHINE, seen).disks == {}
        (tmp_path / name).mkdir()
        (tmp_path / name / MARK).write_text("#\nnode.id=1\ncluster.id=c1\n")
    (disk,) = _with_kafka(MACHINE, seen).disks.values()
    assert isinstance(disk, Disk)
    assert (disk.folder, disk.free_mb > 0) == (tmp_path / "a", True)
    # a container's folder may have the name of one of ours
    (tmp_path / "b" / MARK).write_text("cluster.id=c2\n")
    assert _with_kafka(MACHINE, seen).disks == {}


def test_kafkas_disk_is_not_guessed(tmp_path, monkeypatch):
    (tmp_path / MARK).write_text("cluster.id=c1\n")
    here = kafka(**{"log.dir": str(tmp_path)})
    assert "Kafka" in _with_kafka(MACHINE, here).disks
    assert _with_kafka(MACHINE, replace(here, brokers=3)).disks == {}
    assert _with_kafka(MACHINE, replace(here, broker=None)).disks == {}
    assert _with_kafka(MACHINE, Away("it is away", "start it")).disks == {}
    monkeypatch.chdir(tmp_path)
    assert _with_kafka(MACHINE, kafka(**{"log.dirs": "."})).disks == {}
