"""`make bench`: what a reading costs in Qala and in three peers, on real servers, side by side.

A seeded load (simulated data) is recorded once, and every system gets the same messages. CPU
time is user plus system of a stage's process. At full speed a stage works off a backlog; paced,
all stages of a system run while the load comes at a steady rate.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from rich.console import Console

from tests.bench.hand import Faust, Hand
from tests.bench.mistakes import PeerError, mistakes
from tests.bench.page import fill, taken
from tests.bench.qala import Qala
from tests.bench.report import as_json, as_markdown, as_tables, grids
from tests.bench.rounds import Figures, Loads, Sizes, at_a_pace, full_speed
from tests.bench.summary import PLACE, summary
from tests.bench.systems import System
from tests.bench.telegraf import Telegraf, TelegrafAlone
from tests.support.stack import Stack

PARTS = ("full", "paced", "mistakes")
_WIDTH = 130
"""Columns of text where the output is no terminal."""
NAMES = ("qala", "hand", "telegraf", "telegraf-alone", "faust")
USUAL = tuple(name for name in NAMES if name != "telegraf-alone")
"""One Telegraf for everything costs about what two do, and the whole shall take ten minutes."""


async def measure(sizes: Sizes, only: frozenset[str], parts: frozenset[str]) -> dict[str, Figures]:
    """Run the bench on a stack of its own."""
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - began:4.0f} s] {text}\n")

    found: dict[str, Figures] = defaultdict(Figures)
    with tempfile.TemporaryDirectory(prefix="qala-bench-") as folder:
        data = Path(folder)
        loads = Loads(data, sizes)
        gc.freeze()
        async with Stack.started(data) as stack:
            systems = _systems(stack, only)
            for system in systems:
                await system.prepare()
            say("servers are up, the load is recorded")
            for number in range(1, sizes.repeats + 1):
                say(f"round {number} of {sizes.repeats}")
                if "paced" in parts:
                    await at_a_pace(stack, systems, loads.pace, found, say)
                if "full" in parts:
                    await full_speed(stack, systems, loads, found, say)
            if "mistakes" in parts:
                say("what each gets wrong")
                for name, made in (await mistakes(stack, systems, data, say)).items():
                    found[name].mistakes = made
    say("done")
    return found


def _systems(stack: Stack, only: frozenset[str]) -> list[System]:
    made: dict[str, System] = {
        "qala": Qala(stack),
        "hand": Hand(stack),
        "telegraf": Telegraf(stack),
        "telegraf-alone": TelegrafAlone(stack),
        "faust": Faust(stack),
    }
    return [system for name, system in made.items() if name in only]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    usual = Sizes()
    parser.add_argument("--count", type=int, default=usual.count, help="readings of a backlog")
    parser.add_argument("--devices", type=int, default=usual.devices)
    parser.add_argument("--repeats", type=int, default=usual.repeats)
    parser.add_argument("--only", default=",".join(USUAL), help=f"some of {', '.join(NAMES)}")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--markdown", action="store_true", help="print the tables for docs")
    parser.add_argument(
        "--into", type=Path, nargs="+", default=[], metavar="PAGE",
        help="write them into these pages: tables and summary, each in its place",
    )  # fmt: skip
    args = parser.parse_args()
    sizes = Sizes(count=args.count, devices=args.devices, repeats=args.repeats)
    try:
        found = asyncio.run(
            measure(sizes, frozenset(args.only.split(",")), frozenset(args.parts.split(",")))
        )
    except PeerError as exc:
        sys.exit(f"bench: {exc}")
    if args.json:
        args.json.write_bytes(as_json(found))
    for page in args.into:
        if taken(page, PLACE) is None:
            fill(page, "bench", as_markdown(found))
        else:
            fill(page, PLACE, summary(grids(found)))
    if args.markdown:
        sys.stdout.write(as_markdown(found))
    else:
        console = Console()
        if not console.is_terminal:
            console.width = _WIDTH
        for table in as_tables(found):
            console.print(table)


if __name__ == "__main__":
    main()
