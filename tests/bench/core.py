"""Where the microseconds go: the pure parts of each stage alone, in one process, without I/O.

What a stage costs beyond these is MQTT, Kafka, Faust, HTTP and the event loop. Sampling and
tracing profilers charge a fast path more than it costs; here each part simply runs over the
same readings (simulated data), and its CPU time is read before and after.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ingest import PersonKey
from ingest.clocks import WrongClocks
from ingest.decode import PayloadDecoder, origin_of
from schemas.envelope import decode_envelope
from schemas.topics import TELEMETRY, parse_mqtt_topic, partition_of
from sinks.rows import RowMaker
from streams.partition import Partition
from streams.rulefile import default_rules, load_rules
from tests.bench.load import BEGAN_MS, Load, record
from tests.bench.page import fill

_PARTITIONS: Final = 8
_ENVELOPE: Final = 225
"""Lines: what 18,000 readings a second make in a tenth of a second."""
_RATE: Final = 18_000.0

Envelope = tuple[int, int, bytes]
"""Partition, time in ms, value."""


def envelopes(recorded: Load) -> tuple[list[Envelope], float]:
    """The load as the bridge would pack it, and the CPU seconds of its decoding."""
    key = PersonKey("a-key-of-the-bench-0123456789-abcdefgh")
    decoder = PayloadDecoder(key.pseudonym, WrongClocks())
    origins = {
        topic: origin_of(parse_mqtt_topic(topic))
        for topic in {message.topic for message in recorded.messages}
    }
    step_us = 1e6 / recorded.rate
    began = time.process_time()
    lines = [
        decoder.decode_one(
            origins[message.topic], message.payload, BEGAN_MS * 1000 + int(message.due * step_us)
        )
        for message in recorded.messages
    ]
    spent_s = time.process_time() - began
    places = {topic: partition_of(topic.split("/")[2], _PARTITIONS) for topic in origins}
    made: list[Envelope] = []
    open_lines: dict[int, list[bytes]] = defaultdict(list)
    for message, line in zip(recorded.messages, lines, strict=True):
        assert line is not None, "a faultless load"
        place = places[message.topic]
        open_lines[place].append(line)
        if len(open_lines[place]) >= _ENVELOPE:
            now_ms = BEGAN_MS + int(message.due * step_us / 1000)
            made.append((place, now_ms, b"".join(open_lines.pop(place))))
    return made, spent_s


def timed(work: Callable[[], object]) -> float:
    """CPU seconds of ``work``."""
    began = time.process_time()
    work()
    return time.process_time() - began


def fold(packed: list[Envelope]) -> tuple[float, float]:
    """CPU seconds of folding, decoding included, and of snapshots when they are due."""
    rules = load_rules(default_rules())
    parts = [Partition(number, _PARTITIONS, rules) for number in range(_PARTITIONS)]
    folding = snapshots = 0.0
    for offset, (place, now_ms, value) in enumerate(packed):
        part = parts[place]
        began = time.process_time()
        part.fold(offset, now_ms, value)
        middle = time.process_time()
        folding += middle - began
        if part.due():
            part.snapshot()
            snapshots += time.process_time() - middle
    return folding, snapshots


def rows(packed: list[Envelope]) -> float:
    """CPU seconds of making rows, decoding included, and one body of them."""
    maker = RowMaker(1000)

    def make() -> None:
        for _, now_ms, value in packed:
            made = maker.rows(TELEMETRY, value, now_ms)
            for lines in made.by_policy.values():
                "\n".join(lines).encode()

    return timed(make)


def parts_us(count: int, devices: int) -> dict[str, float]:
    """CPU microseconds per reading of each pure part."""
    recorded = record(count=count, devices=devices, rate=_RATE)
    gc.collect()
    gc.freeze()
    packed, judged_s = envelopes(recorded)
    readings = sum(value.count(b"\n") for _, _, value in packed)
    decoded_s = timed(lambda: [decode_envelope(value) for _, _, value in packed])
    folded_s, snapshots_s = fold(packed)
    rows_s = rows(packed)
    return {
        "bridge: check and wrap": judged_s / count * 1e6,
        "worker: decode": decoded_s / readings * 1e6,
        "worker: fold": (folded_s - decoded_s) / readings * 1e6,
        "worker: snapshots": snapshots_s / readings * 1e6,
        "sink: decode": decoded_s / readings * 1e6,
        "sink: rows": (rows_s - decoded_s) / readings * 1e6,
    }


def main() -> None:
    """Measure several times and print the medians as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.core", description=__doc__)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--into", type=Path, help="write the table into this page, in its place")
    args = parser.parse_args()
    runs = [parts_us(args.count, args.devices) for _ in range(args.repeats)]
    lines = ["| part | µs per reading: median (lowest to highest) |", "| --- | ---: |"]
    for name in runs[0]:
        us = [run[name] for run in runs]
        lines.append(f"| {name} | {statistics.median(us):.2f} ({min(us):.2f} to {max(us):.2f}) |")
    text = "\n".join(lines) + "\n"
    if args.into:
        fill(args.into, "core", text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
