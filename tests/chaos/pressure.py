"""``python -m tests.chaos.pressure``: back-pressure while Kafka or InfluxDB is away, measured.

Real servers and stages, a simulated city at a steady rate. Prints what each process had in
memory before the outage and at most, its bound, what ``/ready`` said, how long the backlog took
to drain, and what was lost. Exit status 1 where a bound was passed, a stage did not say what it
waits for, or something was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.pressure_run import BOUNDS_MIB, Outcome, under_pressure

_WIDTH = 150
"""Columns of text where the output is no terminal."""


def main() -> int:
    """Run one outage and print its table."""
    args = _arguments().parse_args()
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    with tempfile.TemporaryDirectory(prefix="qala-pressure-") as folder:
        outcome = asyncio.run(
            under_pressure(
                Path(folder),
                stopped=args.stop,
                seconds=args.seconds,
                rate=args.rate,
                say=lambda text: console.print(f"{time.strftime('%X')} {text}", highlight=False),
            )
        )
    console.print(table(outcome))
    console.print(sentence(outcome), highlight=False)
    return 0 if outcome.ok else 1


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.pressure",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stop", choices=("kafka", "influxdb"), required=True)
    parser.add_argument("--seconds", type=float, default=300.0, help="of outage (%(default)g)")
    parser.add_argument(
        "--rate", type=float, default=2000.0, help="readings a second (%(default)g)"
    )
    return parser


def table(outcome: Outcome) -> Table:
    """The processes: memory, and what they said."""
    made = Table(
        title=f"{outcome.stopped} away for {outcome.seconds:g} s "
        f"at {outcome.rate:g} simulated readings a second (reached: {outcome.reached:.0f})"
    )
    for name in ("process", "before MiB", "highest MiB", "bound MiB", "ended"):
        made.add_column(name, justify="left" if name == "process" else "right")
    made.add_column("what /ready said (looks)", overflow="fold")
    for name, seen in outcome.stages.items():
        said = "\n".join(f"{text} ({count})" for text, count in seen.said.most_common())
        made.add_row(
            name,
            f"{seen.before_mib:.0f}",
            f"{seen.most_mib:.0f}",
            f"{BOUNDS_MIB[name]}",
            f"{seen.restarts}",
            said or "ready all the time",
        )
    made.add_row("mosquitto", "", f"{outcome.broker_mib:.0f}", "", "", "holds what waits")
    return made


def sentence(outcome: Outcome) -> str:
    """How it ended, and what was wrong."""
    report = outcome.verified
    text = (
        f"drained {outcome.drain_s:.0f} s after {outcome.stopped} answered again; "
        f"{report['valid_distinct']:,} readings sent, {report['stored']:,} stored, "
        f"{report['lost']:,} lost, {report['differing']:,} differing"
    )
    for what, names in (
        ("above their bound", outcome.over),
        ("did not say what they wait for", outcome.silent),
        ("not ready without a reason", outcome.complaining),
    ):
        if names:
            text += f"; {what}: {', '.join(names)}"
    return text + (": as it should be" if outcome.ok else ": NOT as it should be")


if __name__ == "__main__":
    sys.exit(main())
