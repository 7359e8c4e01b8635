"""The Arduino example as a program of this machine, against stand-ins for its libraries."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SKETCH = ROOT / "docs" / "examples" / "devices" / "thermometer.ino"
STANDINS = ROOT / "tests" / "support" / "arduino"


class Published(NamedTuple):
    """One message: ``what`` is ``sent``, ``lost`` on the way, or a last ``will``."""

    what: str
    topic: str
    retained: bool
    payload: str


def run_sketch(folder: Path, *, seconds: int) -> list[Published]:
    """Compile it with every warning an error, run it for ``seconds`` of its own clock."""
    assert shutil.which("g++"), "the sketch is compiled by g++; install it: apt-get install g++"
    program = folder / "sketch"
    compiling = (
        "g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{STANDINS}",
        f'-DSKETCH="{SKETCH}"', str(STANDINS / "main.cpp"), "-o", str(program),
    )  # fmt: skip
    subprocess.run(compiling, check=True)
    done = subprocess.run((str(program), str(seconds)), check=True, capture_output=True, text=True)
    found = []
    for line in done.stdout.splitlines():
        what, topic, retained, payload = line.split("\t")
        found.append(Published(what, topic, retained == "1", payload))
    return found
