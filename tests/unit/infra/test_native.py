"""What is decided about native servers before any of them runs."""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path

import pytest

from infra.native import (
    MissingProgramError,
    NativeFolder,
    NativeServer,
    PortInUseError,
    ServerDiedError,
    check_port_free,
    find_native,
    free_port,
    influxdb_server,
    kafka_server,
    last_words,
    mosquitto_server,
    native_root,
    start,
    stop,
    versions,
    wait_ready,
)
from infra.native.kafka import class_archive, class_options, cluster_id
from infra.provision import topic_configs
from infra.provision.influx import duration_s
from infra.servers import ServerPorts
from schemas.topics import ALL_TOPICS, STATE, TELEMETRY

NATIVE = NativeFolder(
    mosquitto=Path("/bin/mosquitto"),
    java=Path("/bin/java"),
    kafka_lib=Path("/native/kafka/lib"),
    influxd=Path("/native/influxd"),
)


def _installed(root: Path) -> dict[str, str]:
    """A made-up machine on which all is installed, as an environment."""
    (root / f"kafka-{versions()['KAFKA_VERSION']}" / "lib").mkdir(parents=True)
    influxd = root / f"influxd-{versions()['INFLUXD_VERSION']}" / "influxd"
    influxd.parent.mkdir()
    influxd.touch()
    for name in ("mosquitto", "java"):
        program = root / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.touch(mode=0o755)
    return {"QALA_NATIVE": str(root), "PATH": str(root / "bin")}


def test_installed_programs_are_found(tmp_path):
    found = find_native(_installed(tmp_path))
    assert found.mosquitto == tmp_path / "bin" / "mosquitto"
    assert found.kafka_lib.is_dir()


def test_java_of_java_home_goes_before_the_path(tmp_path):
    java = tmp_path / "jdk" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.touch()
    environ = _installed(tmp_path / "native") | {"JAVA_HOME": str(tmp_path / "jdk")}
    assert find_native(environ).java == java


@pytest.mark.parametrize("name", ["kafka", "influxd"])
def test_what_is_not_installed_is_named_with_the_mend(tmp_path, name):
    environ = _installed(tmp_path)
    folder = next(tmp_path.glob(f"{name}-*"))
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(MissingProgramError, match=f"{folder}.*make setup"):
        find_native(environ)


def test_native_folder_is_in_the_users_cache_unless_told_otherwise():
    assert native_root({"XDG_CACHE_HOME": "/c"}) == Path("/c/qala/native")
    assert native_root({"QALA_NATIVE": "/n", "XDG_CACHE_HOME": "/c"}) == Path("/n")


async def test_mosquitto_is_configured_for_loopback_and_its_own_folder(tmp_path):
    server = mosquitto_server(tmp_path, 1999, NATIVE)
    await server.prepare()
    config = (tmp_path / "mosquitto" / "mosquitto.conf").read_text()
    assert "listener 1999 127.0.0.1\n" in config
    assert "persistence_location ./\n" in config
    assert server.folder == tmp_path / "mosquitto"
    assert "message_size_limit 1048576\n" in config
    assert "$SYS" in config
    assert server.argv == ("/bin/mosquitto", "-c", str(tmp_path / "mosquitto" / "mosquitto.conf"))


async def test_influxdb_listens_on_loopback_only(tmp_path):
    await influxdb_server(tmp_path, 1999, NATIVE).prepare()
    config = (tmp_path / "influxdb" / "influxdb.conf").read_text()
    addresses = re.findall(r'bind-address = "([^"]+)"', config)
    assert addresses == ["127.0.0.1:0", "127.0.0.1:1999"]


async def test_formatted_kafka_is_not_formatted_again(tmp_path):
    (tmp_path / "kafka" / "log").mkdir(parents=True)
    (tmp_path / "kafka" / "log" / "meta.properties").touch()
    # there is no such java: formatting would fail
    await kafka_server(tmp_path, 1999, NATIVE, controller_port=1998).prepare()
    config = (tmp_path / "kafka" / "kafka.properties").read_text()
    assert "listeners=PLAINTEXT://127.0.0.1:1999,CONTROLLER://127.0.0.1:1998\n" in config


def test_cluster_id_is_never_taken_for_an_option():
    ids = [cluster_id() for _ in range(1000)]
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", made) for made in ids)


def test_port_in_use_is_said_with_the_port_and_who_has_it():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"port {port} .*pid \d+.*ss -ltnp"):
            check_port_free("mosquitto", port)


def test_free_port_can_be_listened_on():
    port = free_port()
    check_port_free("mosquitto", port)
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_port_offset_moves_every_port():
    assert ServerPorts.shifted(10) == ServerPorts(mqtt=1893, kafka=9102, influx=8096)


def test_last_words_are_not_a_stack_trace(tmp_path):
    log = tmp_path / "kafka.log"
    log.write_text("starting\nFATAL no space left\n\tat java.io.Thing\n\n")
    assert last_words(log) == "FATAL no space left"


def test_last_words_of_a_stage_are_its_sentence_and_not_its_json(tmp_path):
    log = tmp_path / "log"
    log.write_text('{"event": "a stage ended", "process": "streams"}\n', encoding="utf-8")
    assert last_words(log) == "a stage ended"
    log.write_text('{"event": "kafka is waited for", "reason": "refused"}\n', encoding="utf-8")
    assert last_words(log) == "kafka is waited for: refused"
    log.write_text("[1]\n", encoding="utf-8")
    assert last_words(log) == "[1]"


def test_last_words_of_no_log_are_said_to_be_none(tmp_path):
    assert last_words(tmp_path / "none") == "it wrote no log"


def _script(tmp_path: Path, code: str) -> NativeServer:
    """A server that is a line of Python and never answers."""

    async def prepare() -> None:
        """Nothing to prepare."""

    async def ready() -> bool:
        return False

    return NativeServer(
        name="script",
        port=free_port(),
        folder=tmp_path,
        argv=(sys.executable, "-c", code),
        env={"QALA_MARK": "seen"},
        log=tmp_path / "logs" / "script.log",
        prepare=prepare,
        ready=ready,
        stop_timeout_s=0.3,
    )


async def test_server_that_dies_at_start_is_reported_with_exit_code_and_last_line(tmp_path):
    server = _script(tmp_path, "import os; print('no', os.environ['QALA_MARK']); exit(3)")
    process = await start(server)
    with pytest.raises(
        ServerDiedError, match=f"script ended with exit code 3: no seen.*{tmp_path}"
    ):
        await wait_ready(server, process)


async def test_server_that_will_not_stop_is_killed(tmp_path):
    code = "import signal, time; signal.signal(15, lambda *_: None); print('up', flush=True)\n"
    server = _script(tmp_path, code + "while True: time.sleep(1)")
    process = await start(server)
    while "up" not in server.log.read_text():
        assert process.returncode is None
    assert await stop(server, process) == -9


async def test_server_leads_a_session_of_its_own(tmp_path):
    server = _script(tmp_path, "import os; print(os.getsid(0) == os.getpid())")
    process = await start(server)
    await process.wait()
    assert server.log.read_text() == "True\n"


@pytest.mark.parametrize("topic", ALL_TOPICS)
@pytest.mark.parametrize("simulated", [False, True])
def test_every_topic_has_a_policy_and_a_timestamp_type(topic, simulated):
    configs = topic_configs(topic, simulated_clock=simulated)
    assert {"cleanup.policy", "message.timestamp.type"} <= configs.keys()


def test_telemetry_is_stamped_by_the_broker_unless_the_clock_is_simulated():
    assert topic_configs(TELEMETRY)["message.timestamp.type"] == "LogAppendTime"
    simulated = topic_configs(TELEMETRY, simulated_clock=True)
    assert simulated["message.timestamp.type"] == "CreateTime"
    assert simulated["message.timestamp.after.max.ms"] == "9223372036854775807"


def test_state_topic_takes_a_flush_in_one_batch():
    configs = topic_configs(STATE)
    assert configs["cleanup.policy"] == "compact"
    assert configs["max.message.bytes"] == "16777216"


def test_durations_of_influxdb_are_read():
    assert duration_s("168h0m0s") == 7 * 86400
    assert duration_s("0s") == 0


def test_kafka_starts_from_its_class_archive_only_where_there_is_one(tmp_path):
    lib = tmp_path / "lib"
    assert class_options(lib) == ("-cp", f"{lib}/*")
    class_archive(lib).touch()
    assert f"-XX:SharedArchiveFile={class_archive(lib)}" in class_options(lib)
