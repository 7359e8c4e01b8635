"""Hand-written: 10 s windows of every numeric field, from Kafka to Kafka.

Event time, tumbling windows in memory, closed 2 s behind the newest event time of their
partition; what comes after that is counted and dropped. Offsets are committed by the client's
timer.
"""

from __future__ import annotations

import argparse
import signal
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, Producer

from tests.bench.peers.wire import NUMBERS, Progress, Window, decode_wire, tag_values

_SPAN_MS: Final = 10_000
_LATENESS_MS: Final = 2000
_AHEAD_MS: Final = 60_000
_AT_ONCE: Final = 2000
_WAIT_S: Final = 0.1

Key = tuple[Any, ...]
Cells = dict[str, list[float]]


class Windows:
    """Open windows of one partition by their start, and what has been too late for them."""

    def __init__(self) -> None:
        self._open: dict[int, dict[Key, tuple[list[int], Cells]]] = {}
        self._newest_ms = 0
        self.late = 0

    def add(self, site: str, device: str, reading: Any) -> None:
        """Fold one reading."""
        ts = reading.ts
        if ts > self._newest_ms and ts < time.time() * 1000 + _AHEAD_MS:  # clocks can be wrong
            self._newest_ms = ts
        start = ts - ts % _SPAN_MS
        if start + _SPAN_MS + _LATENESS_MS <= self._newest_ms:
            self.late += 1
            return
        windows = self._open.get(start)
        if windows is None:
            windows = self._open[start] = {}
        name = type(reading).__struct_config__.tag
        key = (name, site, device, *tag_values(reading))
        found = windows.get(key)
        if found is None:
            found = windows[key] = ([0], {})
        found[0][0] += 1
        cells = found[1]
        for field in NUMBERS[name]:
            value = getattr(reading, field)
            if value is not None:
                cell = cells.get(field)
                if cell is None:
                    cells[field] = [1, value, value, value]
                else:
                    cell[0] += 1
                    cell[1] += value
                    if value < cell[2]:
                        cell[2] = value
                    elif value > cell[3]:
                        cell[3] = value

    def closed(self) -> list[Window]:
        """Windows whose time has passed; they are forgotten here."""
        made = []
        until_ms = self._newest_ms - _LATENESS_MS - _SPAN_MS
        for start in [one for one in self._open if one <= until_ms]:
            for (name, site, device, *tags), (count, cells) in self._open.pop(start).items():
                fields = {
                    field: (int(cell[0]), float(cell[1]), float(cell[2]), float(cell[3]))
                    for field, cell in cells.items()
                }
                made.append(Window(name, site, device, tags, start, count[0], fields))
        return made


def run(args: argparse.Namespace) -> None:
    """Fold until SIGTERM."""
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    signal.signal(signal.SIGTERM, stop)
    consumer = Consumer(
        {
            "bootstrap.servers": args.kafka,
            "group.id": args.group,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,
        }
    )
    consumer.subscribe([args.topic])
    producer = Producer(
        {"bootstrap.servers": args.kafka, "linger.ms": 50, "compression.type": "lz4"}
    )
    progress = Progress(args.progress)
    parts: defaultdict[int | None, Windows] = defaultdict(Windows)
    while not stopping:
        for message in consumer.consume(_AT_ONCE, _WAIT_S):
            try:
                wire = decode_wire(message.value() or b"")
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                progress.readings += 1
                continue
            parts[message.partition()].add(wire.site, wire.device, wire.reading)
            progress.readings += 1
        for window in [one for windows in parts.values() for one in windows.closed()]:
            producer.produce(args.output, msgspec.json.encode(window), window.site.encode())
        producer.poll(0)
        progress.write()
    producer.flush(10)
    consumer.close()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--progress", type=Path, required=True)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
