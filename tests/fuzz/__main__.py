"""``python -m tests.fuzz``: fuzz every target, or see again what an input did."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from tests.fuzz.run import reproduced, run
from tests.fuzz.targets import TARGETS

console = Console(soft_wrap=True, highlight=False, markup=False)


def main() -> int:
    """0 where every invariant held, 1 where one did not, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--target", choices=TARGETS, help="only this one")
    parser.add_argument("--input", type=Path, help="a finding: its name begins with its target")
    given = parser.parse_args()
    if given.input is not None:
        return _again(given.input)
    failed = False
    for name, target in TARGETS.items():
        if given.target not in {None, name}:
            continue
        share = 1.0 if given.target else target.share
        report = run(name, max(1, round(given.seconds * share)))
        console.print(
            f"{name}: {report.inputs:,} inputs, {report.edges:,} edges of our code, "
            f"{len(report.findings)} findings"
        )
        for path in report.findings:
            failed = True
            console.print(f"  see it again: {sys.executable} -m tests.fuzz --input {path}")
    return int(failed)


def _again(path: Path) -> int:
    if path.name.partition("-")[0] not in TARGETS or not path.is_file():
        Console(stderr=True).print(f"{path} is not a file named after a target")
        return 2
    told = reproduced(path)
    console.print(told or "every invariant holds for this input")
    return int(told is not None)


if __name__ == "__main__":
    sys.exit(main())
