"""How a reading's cost grows with the number of devices, and with a second worker.

Not part of `make bench`: it takes some minutes. All readings are simulated.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Final

from tests.bench.meter import together
from tests.bench.page import fill
from tests.bench.phases import LIVE_RATE, Plain, Publisher, running
from tests.bench.qala import Qala
from tests.bench.rounds import Figures, Loads, Median, Sizes, full_speed
from tests.bench.systems import BRIDGE, WORKER
from tests.support.stack import Stack

_DEVICES: Final = (1_000, 10_000, 100_000)
_EACH: Final = 2
"""By a device's number: twice as many readings of it go to worker and sink at least (the first,
which makes it known, is not measured), three times to the bridge; the broker holds a million."""
_WORKERS: Final = (1, 2)
_WARM_S: Final = 2.0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


async def with_devices(devices: int, count: int, repeats: int) -> Figures:
    """The three stages at full speed, with ``devices`` devices taking turns."""
    found: dict[str, Figures] = defaultdict(Figures)
    sizes = Sizes(count=max(count, _EACH * devices), devices=devices)
    with tempfile.TemporaryDirectory(prefix="qala-bench-") as folder:
        loads = Loads(Path(folder), sizes)
        async with Stack.started(Path(folder)) as stack:
            for _ in range(repeats):
                await full_speed(stack, [Qala(stack)], loads, found, _say)
    return found[Qala.name]


async def with_workers(workers: int, count: int) -> tuple[float, float]:
    """Together: CPU µs per reading at 18,000 a second, and the largest share that one had."""
    with tempfile.TemporaryDirectory(prefix="qala-bench-") as folder:
        load = Plain.recorded(Path(folder), count, 1000)
        async with Stack.started(Path(folder)) as stack:
            qala, publisher = Qala(stack), Publisher(stack)
            async with running(qala, BRIDGE):
                copies = []
                for copy in range(1, workers + 1):
                    copies.append(await qala.start(WORKER, copy=copy))
                    await qala.ready(WORKER, copies[-1], copy=copy)
                meters = [one.meter for one in copies]
                publishing = asyncio.create_task(publisher.publish(load, LIVE_RATE, paced=True))
                await asyncio.sleep(_WARM_S)
                first = await together(meters)
                await publishing
                last = await together(meters)
                costs = [
                    meter.between(before, after)
                    for meter, before, after in zip(meters, first, last, strict=True)
                ]
                for one in copies:
                    await one.stop()
    readings = sum(cost.readings for cost in costs)
    spent_s = sum(cost.cpu_s for cost in costs)
    return spent_s / readings * 1e6, max(cost.readings for cost in costs) / readings


async def run(count: int, repeats: int) -> str:
    """Both tables, as Markdown."""
    lines = ["| devices | bridge, µs | worker, µs | sink, µs | memory of the worker, MiB |",
             "| ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for devices in _DEVICES:
        _say(f"{devices:,} devices")
        figures = await with_devices(devices, count, repeats)
        medians = [Median.of(figures.full[stage]) for stage in Qala.stages]
        shown = [f"{one.middle:.1f}" if one else "–" for one in medians]
        lines.append(f"| {devices:,} | {' | '.join(shown)} | {figures.memory_mib(WORKER):.0f} |")
    lines += ["", "| workers | µs together | largest share of the readings |",
              "| ---: | ---: | ---: |"]  # fmt: skip
    for workers in _WORKERS:
        _say(f"{workers} worker(s)")
        us, share = await with_workers(workers, count)
        lines.append(f"| {workers} | {us:.1f} | {share:.0%} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__)
    parser.add_argument("--count", type=int, default=75_000, help="readings of a backlog")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--into", type=Path, help="write the tables into this page, in their place")
    args = parser.parse_args()
    text = asyncio.run(run(args.count, args.repeats))
    if args.into:
        fill(args.into, "growth", text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
