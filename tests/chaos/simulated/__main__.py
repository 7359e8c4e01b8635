"""``python -m tests.chaos.simulated``: many seeds, one with its trace, or every step of a log."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import Final

import structlog

from streams.owner import Owner
from tests.chaos.simulated.plants import HARMFUL, HARMLESS
from tests.chaos.simulated.runs import SMALL_LOGS, Found, cut_everywhere, run_seed
from tests.chaos.simulated.workers import MakeOwner

SEEDS: Final = 2000
SHOWN: Final = 8
OWNERS: Final[dict[str, MakeOwner]] = {made.__name__: made for made in (*HARMFUL, *HARMLESS)}


def main() -> int:
    """Exit status 1 where a run came to anything but a quiet fold."""
    args = _arguments().parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    make_owner = OWNERS[args.plant] if args.plant else Owner
    if args.seed is not None:
        outcome = run_seed(args.seed, make_owner=make_owner, traced=True)
        return _told([Found(f"--seed {args.seed}", outcome)])
    if args.exhaustive:
        return _told(
            found for log in SMALL_LOGS for found in cut_everywhere(log, make_owner=make_owner)
        )
    return _told(
        Found(f"--seed {seed}", run_seed(seed, make_owner=make_owner))
        for seed in range(args.first, args.first + args.seeds)
    )


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.simulated", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many are run (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (%(default)s)")
    parser.add_argument("--seed", type=int, help="only this one, with what happened in words")
    parser.add_argument(
        "--exhaustive", action="store_true", help="cut small logs' runs at each of their steps"
    )
    parser.add_argument("--plant", choices=sorted(OWNERS), help="with a fault of the owner's")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _told(runs: Iterable[Found]) -> int:
    begun_s = time.process_time()
    counted: Counter[str] = Counter()
    for found in runs:
        if found.outcome.trace:
            _say("\n".join(found.outcome.trace))
        counted["runs"] += 1
        counted["steps"] += found.outcome.steps
        counted["troubles"] += found.outcome.troubles
        if found.outcome.problems:
            counted["failed"] += 1
            _say(f"{found.what}: {len(found.outcome.problems)} differences")
            for problem in found.outcome.problems[:SHOWN]:
                _say(f"    {problem}")
    spent_s = time.process_time() - begun_s
    _say(
        f"{counted['runs']} runs, {counted['steps']} steps, {counted['troubles']} troubles, "
        f"{counted['failed']} runs that differ from a quiet fold; "
        f"{spent_s:.1f} s of CPU, {60 * counted['runs'] / spent_s:.0f} runs a minute of it"
    )
    return 1 if counted["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
