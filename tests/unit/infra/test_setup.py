"""What set-up says when something is missing, and that the lock fits the project."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = ("bash", "cat", "cut", "dirname", "head", "sed", "sha256sum")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A clone on a made-up machine: its ``bin`` is the whole path, its user is not root."""
    clone = tmp_path / "clone"
    (clone / "infra" / "native").mkdir(parents=True)
    for name in ("requirements.lock", "pyproject.toml", "infra/setup.sh"):
        shutil.copy(ROOT / name, clone / name)
    shutil.copy(ROOT / "infra/native/versions.env", clone / "infra/native")
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(str(shutil.which(tool)))
    _program(tmp_path, "id", "echo 1000")
    _program(tmp_path, "python3", "exit 0")
    _program(tmp_path, "java", """echo 'openjdk version "17.0.15" 2025-04-15' >&2""")
    for name in ("mvn", "go", "apt-get"):
        _program(tmp_path, name, "exit 0")
    return tmp_path


def _program(machine: Path, name: str, script: str) -> None:
    path = machine / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def _set_up(machine: Path) -> tuple[int, list[str]]:
    done = subprocess.run(
        [machine / "bin" / "bash", "infra/setup.sh"],
        cwd=machine / "clone",
        env={"PATH": str(machine / "bin"), "HOME": str(machine)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.returncode, done.stderr.splitlines()


def test_without_root_a_missing_mosquitto_is_one_sentence_with_the_command(machine):
    code, said = _set_up(machine)
    assert code == 1
    command = "sudo apt-get install -y mosquitto mosquitto-clients"
    assert said == [f"setup: Mosquitto is missing; install it with: {command}"]


@pytest.mark.parametrize(
    "program, package",
    [
        ("java", "openjdk-17-jre-headless"),
        ("mvn", "maven"),
        ("go", "golang-go"),
        ("python3", "python3 python3-venv"),
    ],
)
def test_each_missing_program_is_one_sentence_with_the_command(machine, program, package):
    (machine / "bin" / program).unlink()
    code, said = _set_up(machine)
    assert code == 1
    (sentence,) = [line for line in said if "Mosquitto" not in line]
    assert sentence.endswith(f"install it with: sudo apt-get install -y {package}")


def test_java_that_is_too_old_is_said_with_its_version(machine):
    _program(machine, "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    _, said = _set_up(machine)
    assert "Java 17 or newer is missing (found: 11)" in said[0]


def _lock() -> str:
    return (ROOT / "requirements.lock").read_text()


def test_lock_holds_every_package_that_the_project_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {re.split(r"[><=\[ ]", line)[0] for line in asked}
    locked = set(re.findall(r"^([a-z0-9-]+)==", _lock(), flags=re.MULTILINE))
    assert names <= locked


def test_lock_names_no_address_and_hashes_every_package():
    assert not re.search(r"://|--index|--find-links|file:|^-e|^/", _lock(), flags=re.MULTILINE)
    for entry in re.split(r"\n(?=[a-z])", _lock().strip()):
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_the_list_of_what_make_does_fits_80_columns() -> None:
    made = subprocess.run(
        [str(shutil.which("make")), "--no-print-directory", "help"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [line for line in made.stdout.splitlines() if len(line) > 80] == []
    assert "chaos" in made.stdout
