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
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from traceback import format_exception

from rich.console import Console

from tests.bench.page import fill
from tests.chaos import broker_kill, outages
from tests.chaos.load import Load
from tests.chaos.measure import Grid, Measures, as_markdown, as_tables, grids
from tests.chaos.play import Say
from tests.chaos.run import run
from tests.chaos.schedule import make_schedule

_WIDTH = 160
"""Columns of text where the output is no terminal."""
_SHOWN = 20


def main() -> int:
    """Exit status 1 where anything differs."""
    args = _arguments().parse_args()
    if args.mosquitto:
        return _broker_kills(args)
    if args.outages is not None:
        return _outages(args)
    return _schedules(args)


def _schedules(args: argparse.Namespace) -> int:
    """Run the seeds, ``--parallel`` at a time, in processes of their own."""
    # forked: what `python -m` runs cannot be imported by its name
    with ProcessPoolExecutor(args.parallel, get_context("fork")) as pool:
        runs = list(pool.map(partial(_schedule, args), _seeds(args)))
    _show(args, "chaos", grids(runs))
    for measures in runs:
        if not measures.ok:
            _say(_failure(args, measures))
    return 0 if all(measures.ok for measures in runs) else 1


def _schedule(args: argparse.Namespace, seed: int) -> Measures:
    schedule = make_schedule(seed, args.seconds)
    with _folder(args, f"seed-{seed}", _command(args, seed)) as (data, say):
        try:
            measures, _ = asyncio.run(run(schedule, Load(rate=args.rate), data, say))
        except Exception as exc:  # noqa: BLE001 -- the other seeds shall have their turn
            measures = Measures(seed, data)
            measures.wrong["stuck"].append(f"the run broke off: {''.join(format_exception(exc))}")
        say(f"seed {seed}: " + ("no difference" if measures.ok else "DIFFERENCES"))
    if measures.ok and not args.keep:
        shutil.rmtree(data)
    return measures


def _broker_kills(args: argparse.Namespace) -> int:
    losses = []
    for seed in _seeds(args):
        for away in (False, True):
            with _folder(args, f"mosquitto-{seed}", "make chaos-mosquitto") as (data, say):
                load = Load(rate=args.rate)
                losses.append(
                    asyncio.run(broker_kill.kill_broker(seed, load, data, say, away=away))
                )
            if not args.keep:
                shutil.rmtree(data)
    _show(args, "mosquitto", [broker_kill.as_grid(losses)])
    return 0 if all(one.lost_s <= broker_kill.SAVED_EVERY_S for one in losses) else 1


def _outages(args: argparse.Namespace) -> int:
    with _folder(args, "outages", f"python -m tests.chaos --outages {args.outages:g}") as made:
        data, say = made
        found = asyncio.run(outages.outages(args.outages, data, say))
    _show(args, "outages", [outages.as_grid(found)])
    if not found.ok:
        _say(f"data and logs: {data}")
        return 1
    if not args.keep:
        shutil.rmtree(data)
    return 0


def _seeds(args: argparse.Namespace) -> range:
    return range(args.seed, args.seed + args.seeds)


@contextmanager
def _folder(args: argparse.Namespace, name: str, again: str) -> Iterator[tuple[Path, Say]]:
    """A new folder of a run, and who says what happens; where it breaks off, the folder stays."""
    began_s = time.monotonic()
    args.data.mkdir(parents=True, exist_ok=True)
    data = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=args.data))
    mark = f"{name} " if args.parallel > 1 else ""

    def say(text: str) -> None:
        _say(f"{mark}[{time.monotonic() - began_s:4.0f} s] {text}")

    say(f"{name}, in {data}")
    try:
        yield data, say
    except BaseException:
        say(f"{name} broke off; its data and logs are kept in {data}")
        say(f"again: {again}")
        raise


def _show(args: argparse.Namespace, place: str, made: Sequence[Grid]) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    for table in as_tables(made):
        console.print(table)
    if args.into:
        fill(args.into, place, as_markdown(made))


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
    parser.add_argument("--seeds", type=int, default=1, help="how many (%(default)s)")
    parser.add_argument(
        "--parallel", type=int, default=1, help="how many seeds at a time (%(default)s)"
    )
    parser.add_argument("--rate", type=float, default=2000.0, help="readings/s (%(default)s)")
    parser.add_argument(
        "--mosquitto",
        action="store_true",
        help="instead: SIGKILL Mosquitto under load, with the bridge there and with it away, and "
        "count what it lost; exit status 1 where that is more than it may",
    )
    parser.add_argument(
        "--outages",
        type=float,
        metavar="S",
        help="instead: Kafka away for so many seconds, then the only bridge, and no absence told",
    )
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
