"""Runs of targets: what they begin with, what they found, and how to see it again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Final, NamedTuple

from tests.fuzz import seeds
from tests.fuzz.limits import measure_time
from tests.fuzz.targets import TARGETS

FOLDER: Final = Path(".fuzz")
"""Findings and what is learnt between runs; git leaves it alone."""
_ONE_INPUT_S: Final = 10
_MEMORY_MB: Final = 2048
_PROGRESS: Final = re.compile(r"#(\d+)\s.*\bcov: (\d+) ")
_TAIL_LINES: Final = 40


class Report(NamedTuple):
    """What a run of one target came to; ``edges`` are branches of our code that were seen."""

    target: str
    inputs: int
    edges: int
    findings: tuple[Path, ...]


def reproduced(path: Path) -> str | None:
    """What an input fails with, in the target that its name begins with; None where it does not.

    Raises:
        KeyError: the name begins with no target's.
    """
    sys.unraisablehook = lambda _: None
    check = TARGETS[path.name.partition("-")[0]].check
    measure_time()
    try:
        for memory in (False, True):
            check(path.read_bytes(), memory=memory)
    except BaseException:  # noqa: BLE001 - whatever it is, it is what was asked for
        return traceback.format_exc()
    return None


def run(name: str, seconds: int) -> Report:
    """Give a target the expensive inputs, then its seeds and what coverage leads to."""
    target = TARGETS[name]
    findings = FOLDER / "findings"
    findings.mkdir(parents=True, exist_ok=True)
    found = []
    inputs = edges = 0
    for label, data in target.expensive():
        inputs += 1
        path = findings / f"{name}-{label}"
        path.write_bytes(data)
        if reproduced(path) is None:
            path.unlink()
        else:
            found.append(path)
    for way in ("tokens", "bytes") if target.json else ("bytes",):
        if not found:
            share_s = max(1, seconds // 2 if target.json else seconds)
            more, edges, found = _guided(name, way, share_s, findings)
            inputs += more
    return Report(name, inputs, edges, tuple(found))


def _guided(name: str, way: str, seconds: int, findings: Path) -> tuple[int, int, list[Path]]:
    """Inputs, edges and findings of one run; the corpus is kept for the next."""
    target = TARGETS[name]
    corpus, begin = FOLDER / "corpus" / name, FOLDER / "seeds" / name
    for folder in (corpus, begin):
        folder.mkdir(parents=True, exist_ok=True)
    for label, data in target.seeds():
        (begin / label).write_bytes(data)
    words = FOLDER / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in seeds.dictionary()))
    before = set(findings.iterdir())
    command = [
        sys.executable, "-m", "tests.fuzz.guided", name, way,
        f"-max_total_time={seconds}", f"-max_len={target.most}", f"-timeout={_ONE_INPUT_S}",
        f"-rss_limit_mb={_MEMORY_MB}", f"-artifact_prefix={findings}/{name}-", f"-dict={words}",
        str(corpus), str(begin),
    ]  # fmt: skip
    inputs = edges = 0
    tail: list[str] = []
    environment = {**os.environ, "RUST_BACKTRACE": "0"}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, text=True,
        errors="replace",
    ) as process:  # fmt: skip
        for line in process.stderr or ():
            tail = [*tail[-_TAIL_LINES:], line]
            progress = _PROGRESS.match(line)
            if progress:
                inputs, edges = int(progress[1]), int(progress[2])
    crashed = sorted(set(findings.iterdir()) - before)
    if process.returncode and not crashed:
        raise RuntimeError("the guided run has ended with:\n" + "".join(tail))
    return inputs, edges, crashed


def _escaped(word: bytes) -> str:
    return "".join(chr(byte) if chr(byte).isalnum() else f"\\x{byte:02x}" for byte in word)
