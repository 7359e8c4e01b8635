"""The systemd units: instances become stages, names mean something, and a stop is waited for.

Whether systemd takes them is asked of itself by ``make check-deploy``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.servers import ServerPorts
from infra.settings_sources import ENVIRONMENT, PROCESS_NAME
from infra.supervisor.plan import Plan, stage_specs
from tests.support.compose import ROOT, wrong_usage

FOLDER = ROOT / "infra/deploy/systemd"
INSTALLED = Path("infra/deploy/systemd/qala-stage")
PLAN = Plan(data=Path("data"), ports=ServerPorts.shifted(0))
SPECS = stage_specs(PLAN, session=None)  # type: ignore[arg-type] # asked for specs only


def entries(name: str, section: str) -> list[tuple[str, str]]:
    """Keys and values of a section, in order; a key may come again."""
    found, current = [], ""
    for line in (FOLDER / name).read_text().splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif line and not line.startswith("#") and current == section:
            key, _, value = line.partition("=")
            found.append((key, value))
    return found


SERVICE = entries("qala@.service", "Service")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """An installation in a folder of another name, whose `qala` says what it was asked."""
    stage = tmp_path / "elsewhere" / INSTALLED
    stage.parent.mkdir(parents=True)
    shutil.copy(ROOT / INSTALLED, stage)
    qala = tmp_path / "elsewhere/.venv/bin/qala"
    qala.parent.mkdir(parents=True)
    qala.write_text('#!/bin/sh\necho "$@"\n')
    qala.chmod(0o755)
    return stage


def become(installed: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [installed, *words], capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.parametrize(
    "instance, command",
    [
        ("bridge", "bridge"),
        ("bridge-north", "bridge --id north"),
        ("bridge-2", "bridge --id 2"),
        ("streams", "streams"),
        ("streams-2", "streams"),
        ("sink-influx", "sink influx"),
        ("sink-influx-2", "sink influx"),
        ("sink-chat", "sink chat"),
    ],
)
def test_an_instance_becomes_the_stage_of_its_name(installed: Path, instance: str, command: str):
    done = become(installed, instance)
    assert (done.returncode, done.stdout.strip()) == (0, command)
    assert wrong_usage(*command.split()) is None


@pytest.mark.parametrize("words", [(), ("sink",), ("sinks-influx",), ("bridge-",), ("up",)])
def test_any_other_instance_is_refused_in_one_line(installed: Path, words: tuple[str, ...]):
    done = become(installed, *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "is no stage; name the unit qala@bridge" in done.stderr
    assert done.stderr.count("\n") == 1


def test_every_stage_of_qala_up_has_an_instance_of_its_name(installed: Path):
    for spec in SPECS:
        words = spec.argv[spec.argv.index("infra.cli") + 1 :]
        done = become(installed, spec.name)
        assert done.stdout.split() == [word for word in words if word not in {"--id", "1"}]


def test_the_unit_starts_what_the_repository_has():
    (command,) = [value for key, value in SERVICE if key == "ExecStart"]
    program, instance = command.split()
    assert instance == "%i"
    assert program == f"/opt/qala/{INSTALLED}"
    mode = (ROOT / INSTALLED).stat().st_mode
    assert mode & 0o111 == 0o111
    (documentation,) = [v for k, v in entries("qala@.service", "Unit") if k == "Documentation"]
    assert (ROOT / documentation.removeprefix("file:///opt/qala/")).exists()


def test_its_variables_are_settings_and_its_data_is_its_state_folder():
    given = dict(
        pair.split("=", 1)
        for key, value in SERVICE
        if key == "Environment"
        for pair in value.split()
    )
    ours = {name for name in given if name.startswith("QALA_")}
    assert ours <= {*ENVIRONMENT, PROCESS_NAME}
    service = dict(SERVICE)
    assert given["QALA_DATA"] == f"/var/lib/{service['StateDirectory']}"
    assert given[PROCESS_NAME] == "%i"


def test_the_example_of_its_settings_names_settings():
    text = (FOLDER / "qala.env.example").read_text()
    names = set(re.findall(r"QALA_[A-Z_]+", text))
    assert names <= ENVIRONMENT.keys()
    assert not re.search(r"(?m)^QALA_\w*(TOKEN|PASSWORD|KEY)=.", text), "a secret in the example"


def test_a_stop_is_waited_for_longer_than_a_stage_takes():
    wait_s = int(dict(SERVICE)["TimeoutStopSec"])
    assert wait_s > max(spec.stop_timeout_s for spec in SPECS)


def test_it_comes_back_for_ever_and_belongs_to_the_target():
    assert dict(SERVICE)["Restart"] == "on-failure"
    unit = dict(entries("qala@.service", "Unit"))
    assert unit["StartLimitIntervalSec"] == "0"
    assert unit["PartOf"] == "qala.target"
    assert dict(entries("qala@.service", "Install"))["WantedBy"] == "qala.target"
    assert dict(entries("qala.target", "Install"))["WantedBy"] == "multi-user.target"


def test_its_user_is_one_that_the_repository_makes():
    (line,) = [
        line
        for line in (FOLDER / "qala.sysusers").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert line.split()[:2] == ["u", dict(SERVICE)["User"]]
