"""Hand-written: readings and windows from Kafka to InfluxDB, in batches over one connection.

Offsets are committed by the client's timer, whether the rows are written or not.
"""

from __future__ import annotations

import argparse
import http.client
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer

from tests.bench.peers.wire import (
    NUMBERS,
    STRINGS,
    TAGS,
    Progress,
    decode_window,
    decode_wire,
)

_AT_ONCE: Final = 5000
_WAIT_S: Final = 0.5
_INTEGERS: Final = frozenset({"people", "vehicles", "queue"})
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _number(field: str, value: float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value}i" if field in _INTEGERS else repr(float(value))


def reading_line(value: bytes) -> str:
    """The row of one reading, in line protocol."""
    wire = decode_wire(value)
    reading: Any = wire.reading
    name = type(reading).__struct_config__.tag
    series = f"{name},site={wire.site},device={wire.device}"
    for tag in TAGS.get(name, ()):
        series += f",{tag}={getattr(reading, tag)}"
    row = f"{series} boot={reading.boot}i,seq={reading.seq}i"
    for field in NUMBERS[name]:
        number = getattr(reading, field)
        if number is not None:
            row += f",{field}={_number(field, number)}"
    for field in STRINGS[name]:
        text = getattr(reading, field)
        if text is not None:
            row += f",{field}={_text(text)}"
    return f"{row} {reading.ts}000000"


def window_line(value: bytes) -> str:
    """The row of one window."""
    window = decode_window(value)
    tags = "".join(
        f",{tag}={text}" for tag, text in zip(TAGS.get(window.type, ()), window.tags, strict=True)
    )
    fields = "".join(
        f",{name}_count={count}i,{name}_sum={total!r},{name}_min={low!r},{name}_max={high!r}"
        for name, (count, total, low, high) in window.fields.items()
    )
    series = f"{window.type}_10s,site={window.site},device={window.device}{tags}"
    return f"{series} count={window.count}i{fields} {window.start}000000"


def run(args: argparse.Namespace) -> None:
    """Write until SIGTERM."""
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
    consumer.subscribe([args.topic, args.windows])
    connection = http.client.HTTPConnection("127.0.0.1", args.influx, timeout=15)
    progress = Progress(args.progress)
    while not stopping:
        lines, readings = [], 0
        for message in consumer.consume(_AT_ONCE, _WAIT_S):
            of_reading = message.topic() == args.topic
            readings += of_reading
            try:
                value = message.value() or b""
                lines.append(reading_line(value) if of_reading else window_line(value))
            except _UNDECODABLE:
                continue
        if lines:
            body = "\n".join(lines).encode()
            connection.request("POST", f"/write?db={args.database}&precision=ns", body)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= http.HTTPStatus.BAD_REQUEST:
                sys.stderr.write(f"InfluxDB answers {answer.status}: {text[:200]!r}\n")
        progress.readings += readings
        progress.write()
    consumer.close()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--influx", type=int, required=True, help="port")
    parser.add_argument("--database", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--windows", required=True)
    parser.add_argument("--progress", type=Path, required=True)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
