"""`make chaos`: kills, stops and restarts by a seed, under load, on real processes.

When all has drained, what is stored is compared with a recomputation: rows with what the broker
acknowledged, and windows, throughput, device states, alerts and chat messages with the
telemetry log. No difference is allowed. All data are simulated.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from tests.bench.page import fill
from tests.chaos.load import Load
from tests.chaos.measure import Measures, as_markdown, as_tables
from tests.chaos.run import run
from tests.chaos.schedule import make_schedule

_WIDTH = 160
"""Columns of text where the output is no terminal."""
_SHOWN = 20


def main() -> int:
    """Exit status 1 where anything differs."""
    args = _arguments().parse_args()
    runs = []
    for seed in range(args.seed, args.seed + args.seeds):
        measures = _one(args, seed)
        runs.append(measures)
        if measures.ok and not args.keep:
            shutil.rmtree(measures.data)
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    for table in as_tables(runs):
        console.print(table)
    if args.into:
        fill(args.into, "chaos", as_markdown(runs))
    for measures in runs:
        if not measures.ok:
            _say(_failure(args, measures))
    return 0 if all(measures.ok for measures in runs) else 1


def _one(args: argparse.Namespace, seed: int) -> Measures:
    began_s = time.monotonic()
    args.data.mkdir(parents=True, exist_ok=True)
    data = Path(tempfile.mkdtemp(prefix=f"seed-{seed}-", dir=args.data))
    _say(f"seed {seed}, in {data}")
    schedule = make_schedule(seed, args.seconds)
    load = Load(rate=args.rate)

    def say(text: str) -> None:
        _say(f"[{time.monotonic() - began_s:4.0f} s] {text}")

    try:
        return asyncio.run(run(schedule, load, data, say))
    except BaseException:
        _say(f"seed {seed} broke off; its data and logs are kept in {data}")
        _say(f"again: {_command(args, seed)}")
        raise


def _failure(args: argparse.Namespace, measures: Measures) -> str:
    sentences = measures.sentences()
    more = len(sentences) - _SHOWN
    return "\n".join(
        [
            f"seed {measures.seed}: {len(sentences)} differences",
            *(f"    {one}" for one in sentences[:_SHOWN]),
            *([f"    and {more} more"] if more > 0 else []),
            f"    all of them, the schedule as it went, data and logs: {measures.data}",
            f"    again: {_command(args, measures.seed)}",
        ]
    )


def _command(args: argparse.Namespace, seed: int) -> str:
    return f"make chaos SECONDS={args.seconds:g} RATE={args.rate:g} SEED={seed}"


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="of load (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (%(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="how many, in turn (%(default)s)")
    parser.add_argument("--rate", type=float, default=2000.0, help="readings/s (%(default)s)")
    parser.add_argument("--into", type=Path, help="write the table into this page, in its place")
    parser.add_argument("--keep", action="store_true", help="keep data and logs of good runs, too")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(tempfile.gettempdir()) / "qala-chaos",
        help="folder of the runs' data and logs (%(default)s)",
    )
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
