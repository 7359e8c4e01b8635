"""compose.yaml: every name in it means something, and what it repeats is as in its source."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from infra.native.folder import versions
from infra.provision.tokens import TOKEN_FILE
from infra.servers import ServerPorts
from infra.supervisor.plan import Plan, stage_specs
from tests.support.compose import ROOT, is_ours, problems, wrong_usage

COMPOSE = (ROOT / "compose.yaml").read_text()
SERVICES = yaml.safe_load(COMPOSE)["services"]
OWN = ROOT / "infra/deploy/compose"
NATIVE = ROOT / "infra/native"
SECRETS = {
    "QALA_PERSON_KEY", "INFLUX_ADMIN_PASSWORD", "INFLUX_ADMIN_TOKEN", "GRAFANA_ADMIN_PASSWORD",
    "MQTT_BRIDGE_PASSWORD", "MQTT_DOCTOR_PASSWORD",
}  # fmt: skip


def made_env() -> dict[str, str]:
    """What secrets.sh prints, read as Compose reads it."""
    said = subprocess.run(
        [OWN / "secrets.sh"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    lines = [line for line in said.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


ENV = made_env()


def test_every_name_in_it_means_something():
    assert problems(COMPOSE, ENV) == []


@pytest.mark.parametrize(
    "right, wrong, said",
    [
        ("QALA_CHAT_URLS:", "QALA_CHAT_URL:", "sink-chat: QALA_CHAT_URL is no setting"),
        ("[sink, influx]", "[sink, influxdb]", "No such command 'influxdb'"),
        ("build, --out,", "build, --to,", "there is no option --to"),
        ("influxdb:8086", "influxdb:8087", "nothing listens on influxdb:8087"),
        ("@mosquitto:1884", "@mosquito:1884", "nothing listens on mosquito:1884"),
        ('"127.0.0.1:3000:3000"', '"3000:3000"', "grafana: 3000:3000 is not bound to loopback"),
        ("127.0.0.1:1883:1883", "127.0.0.1:1883:1888", "nothing listens on 1888"),
        ("mosquitto_sub -p 1886", "mosquitto_sub -p 1887", "health check asks port [1887]"),
        ("http://localhost:3000", "http://localhost:3001", "health check asks port [3001]"),
        ("grafana/grafana:11.6.1", "grafana/grafana:latest", "has no full version"),
        ("- chat:/var", "- chats:/var", "sink-chat: chats is not among the volumes"),
        ("  chat:\n", "  chat:\n  old:\n", "volumes: old is unused"),
        (
            "networks: [kafka]\n    mem",
            "networks: [kafk]\n    mem",
            "kafk is not among the networks",
        ),
        ("networks: [mqtt, kafka]\n    mem", "networks: [mqtt]\n    mem", "kafka is on no network"),
        ("compose/mosquitto/simulator.acl:", "compose/sim.acl:", "sim.acl does not exist"),
        ("boards: { condition: service_comp", "board: { condition: service_comp", "no service"),
        (
            "provision: { condition: service_completed_successfully }",
            "streams: { condition: service_completed_successfully }",
            "waits for the end of streams, which never ends",
        ),
        (
            "influxdb: { condition: service_healthy }",
            "boards: { condition: service_healthy }",
            "waits for the health of boards, which has no check",
        ),
        ("${QALA_PERSON_KEY:?run", "${QALA_PERSONS_KEY:?run", "QALA_PERSONS_KEY: not in .env"),
        ("${QALA_CHAT_URLS:-}", '""', "QALA_CHAT_URLS: in .env and unused"),
        (
            "INIT_PASSWORD: ${INFLUX_ADMIN_PASSWORD:?run infra/deploy/compose/secrets.sh}",
            "INIT_PASSWORD: changeme",
            "DOCKER_INFLUXDB_INIT_PASSWORD stands in the file",
        ),
        ("    mem_limit: 256m\n", "", "sink-chat: no mem_limit"),
    ],
)
def test_a_planted_fault_is_found(right: str, wrong: str, said: str):
    assert right in COMPOSE
    found = problems(COMPOSE.replace(right, wrong), ENV)
    assert any(said in problem for problem in found), found


def test_each_secret_is_made_anew_and_none_has_a_default():
    other = made_env()
    assert {name for name, value in ENV.items() if value} == SECRETS
    assert all(len(ENV[name]) == 64 and ENV[name] != other[name] for name in SECRETS)
    for name in SECRETS:
        assert f"${{{name}:?" in COMPOSE, f"nobody insists on {name}"


def test_it_runs_every_stage_that_qala_up_runs():
    plan = Plan(data=Path("data"), ports=ServerPorts.shifted(0))
    specs = stage_specs(plan, session=None)  # type: ignore[arg-type] # asked for specs only
    commands = {name: service["command"] for name, service in SERVICES.items() if is_ours(service)}
    for spec in specs:
        words = spec.argv[spec.argv.index("infra.cli") + 1 :]
        assert commands[spec.name] == [w for w in words if w not in {"--id", "1"}]
        grace_s = int(SERVICES[spec.name]["stop_grace_period"].removesuffix("s"))
        assert grace_s > spec.stop_timeout_s


def test_its_servers_are_those_that_qala_is_tested_with():
    images = dict(service["image"].split(":") for service in SERVICES.values())
    assert images["qala"] == version("qala")
    assert images["apache/kafka"] == versions()["KAFKA_VERSION"]
    assert images["influxdb"] == versions()["INFLUXD2_VERSION"]
    sdk = version("grafana-foundation-sdk").partition("!")[2]
    assert images["grafana/grafana"].rpartition(".")[0] == sdk.rpartition(".")[0]


def test_stages_can_write_nowhere_but_into_their_folder():
    for name, service in SERVICES.items():
        if is_ours(service):
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name
            written = [v for v in service["volumes"] if not v.endswith(":ro")]
            own = (
                ":/var/lib/qala",
                ":/provisioning",
                "-token:/tokens/sink",
                "-token:/tokens/reader",
            )
            assert all(v.endswith(own) for v in written), name


def test_only_what_makes_buckets_and_tokens_has_the_token_that_may_everything():
    holders = {
        name
        for name, service in SERVICES.items()
        if "INFLUX_ADMIN_TOKEN" in str(service.get("environment", {}))
    }
    by_hand = "qala"  # on demand: any command that somebody types
    assert holders == {"influxdb", "provision", by_hand}
    assert "INFLUX_ADMIN_TOKEN" not in str(SERVICES["qala"]["profiles"])
    assert SERVICES["qala"]["profiles"] == ["tools"]


@pytest.mark.parametrize(
    "name, volume",
    [
        ("sink-influx", "sink-token"),
        ("doctor", "sink-token"),
        ("boards", "reader-token"),
        ("grafana", "reader-token"),
    ],
)
def test_a_token_that_provision_made_reaches_the_program(name, volume, tmp_path):
    service = SERVICES[name]
    assert f"{volume}:/tokens:ro" in service["volumes"]
    role = volume.partition("-")[0]
    assert f"{volume}:/tokens/{role}" in SERVICES["provision"]["volumes"]
    program = tmp_path / "run"
    program.write_text('#!/bin/sh\necho "$QALA_INFLUX_TOKEN $*"\n')
    program.chmod(0o755)
    argv = [
        word.replace("$$", "$")
        .replace("/tokens/", f"{tmp_path}/")
        .replace("exec qala", f"exec {program}")
        .replace("exec /run.sh", f"exec {program}")
        for word in (*service["entrypoint"], *service.get("command", ()))
    ]
    (tmp_path / TOKEN_FILE).write_text("a-token==\n")
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == " ".join(["a-token==", *service.get("command", ())])


def test_each_user_of_the_broker_has_a_password_and_a_place_in_an_access_list():
    script = (OWN / "mosquitto/prepare.sh").read_text()
    lists = [*OWN.glob("mosquitto/*.acl"), ROOT / "infra/deploy/mosquitto/bridges.acl"]
    listed = {
        line.split()[1]
        for path in lists
        for line in path.read_text().splitlines()
        if line.startswith("user ")
    }
    spoken = {
        service["environment"]["QALA_MQTT_URL"].split("//")[1].split(":")[0]
        for service in SERVICES.values()
        if "QALA_MQTT_URL" in service.get("environment", {})
    }
    checks = "health"  # a user of the health check alone, whose password nobody else knows
    assert listed == spoken | {checks}
    for user in listed:
        assert f' {user} "$' in script


def _settings(path: Path, separator: str) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    pairs = [line.partition(separator) for line in lines]
    return {key: value for key, _, value in pairs}


def test_kafka_is_set_up_as_the_native_one_but_for_addresses():
    own = _settings(OWN / "kafka/server.properties", "=")
    native = _settings(NATIVE / "kafka.properties", "=")
    differing = {key for key in own | native if own.get(key) != native.get(key)}
    assert differing == {
        "controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs"
    }  # fmt: skip


def test_mosquitto_is_set_up_as_the_native_one_but_for_who_may_speak():
    own = _settings(OWN / "mosquitto/mosquitto.conf", " ")
    native = _settings(NATIVE / "mosquitto.conf", " ")
    assert own["allow_anonymous"] == "false"
    shared = native.keys() - {
        "listener", "allow_anonymous", "user", "persistence_location", "autosave_interval",
    }  # fmt: skip
    assert {key: own.get(key) for key in shared} == {key: native[key] for key in shared}


def test_commands_of_the_pages_exist():
    for page in ("docs/installing.md",):
        for line in (ROOT / page).read_text().splitlines():
            for mark in ("docker compose run --rm qala ", ".venv/bin/qala "):
                if line.startswith(mark):
                    words = line.removeprefix(mark).split("#")[0].split()
                    assert wrong_usage(*words) is None
