"""The image: what it copies is there, its locks fit, and its health check tells the truth."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from prometheus_client import CollectorRegistry

from infra.probe import serve_probe
from infra.supervisor.identity import Identity, identify
from infra.supervisor.records import ProbeRecord, run_folder, write_record
from schemas.readiness import Readiness
from tests.support.compose import ROOT

DEPLOY = ROOT / "infra/deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
FINAL = DOCKERFILE.rpartition("\nFROM ")[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def _lock(path: Path) -> dict[str, str]:
    """Name to what the lock says of it, hashes included."""
    entries = re.split(r"(?m)^(?=\S+==)", path.read_text())
    return {entry.split("==")[0]: entry.strip() for entry in entries if entry.strip()}


def _copied() -> set[str]:
    words = re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", DOCKERFILE)
    return {source for line in words for source in line.split()}


def test_what_it_copies_is_there_and_reaches_the_build():
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    for source in _copied():
        assert (ROOT / source).exists()
        assert source.split("/")[0] in allowed
        assert source in allowed or not source.startswith("infra/deploy")
    packages = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert packages <= _copied()


def test_nothing_secret_reaches_the_build():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line]
    assert lines[1] == "*", "all that is not named stays out"
    assert not any(line.startswith("!.") for line in lines)
    assert "infra/deploy" in lines, "where certificates and settings are put"


def test_it_runs_as_nobody_special_without_tools_to_build():
    assert re.search(r"(?m)^USER 10001:10001$", FINAL)
    assert "pip uninstall --yes pip" in FINAL
    assert "apt-get" not in DOCKERFILE
    assert DOCKERFILE.count("--require-hashes --only-binary :all:") == 2
    assert 'ENTRYPOINT ["qala"]' in FINAL
    assert "qala" in PROJECT["project"]["scripts"]


def test_its_locks_are_parts_of_the_projects_lock():
    whole = _lock(ROOT / "requirements.lock")
    for name in ("runtime.lock", "build.lock"):
        part = _lock(DEPLOY / name)
        assert part
        assert {key: whole.get(key) for key in part} == part


def test_its_lock_has_what_qala_needs_and_no_tool():
    part = _lock(DEPLOY / "runtime.lock")
    waiting = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
    needed: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        extras = ["", *requirement.extras]
        if name in needed and not requirement.extras:
            continue
        needed.add(name)
        for line in requires(name) or ():
            one = Requirement(line)
            if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(one)
    assert needed <= part.keys()
    assert not part.keys() & {"pytest", "mypy", "ruff", "pandas", "confluent-kafka", "hatchling"}


async def _ready(data: Path) -> tuple[int, str]:
    """What the health check says of a data folder: its exit code and its line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "infra.ready",
        cwd=ROOT, env={"QALA_DATA": str(data), "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode().strip()


def test_the_image_asks_the_health_check_of_the_next_tests():
    assert re.search(r'HEALTHCHECK [^"]+CMD \["python", "-P", "-m", "infra.ready"\]', FINAL)


async def test_health_follows_ready_and_says_what_is_waited_for(tmp_path: Path):
    assert await _ready(tmp_path) == (1, f"no stage runs on {tmp_path}")
    readiness = Readiness("bridge")
    readiness.waiting("kafka", "not reached")
    serving = serve_probe(
        folder=run_folder(tmp_path), name="bridge", stage="bridge", id="1", readiness=readiness,
        registry=CollectorRegistry(),
    )  # fmt: skip
    async with serving:
        code, said = await _ready(tmp_path)
        assert code == 1
        assert said.startswith("bridge waits: ")
        assert "kafka: not reached" in said
        for part in list(readiness.reasons):
            readiness.working(part)
        assert await _ready(tmp_path) == (0, "")


async def test_what_a_killed_container_left_is_no_health(tmp_path: Path):
    gone = Identity(1, 1, "of another boot")
    left = ProbeRecord(name="bridge", stage="bridge", id="1", process=gone, port=9)
    write_record(run_folder(tmp_path), left)
    assert await _ready(tmp_path) == (1, f"no stage runs on {tmp_path}")


async def test_a_stage_that_hangs_is_not_healthy(tmp_path: Path):
    async with await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0) as deaf:
        process = identify(os.getpid())
        assert process is not None
        port = deaf.sockets[0].getsockname()[1]
        record = ProbeRecord(name="streams", stage="streams", id="1", process=process, port=port)
        write_record(run_folder(tmp_path), record)
        assert await _ready(tmp_path) == (1, "streams does not answer")
