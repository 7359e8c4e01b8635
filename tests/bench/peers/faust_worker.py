"""Stock Faust: an agent over JSON models and a windowed table in memory, as its guide shows.

One Kafka record is one reading. A window's statistics are a table value; `on_window_close`
sends them on. Delivery, offsets, changelog and recovery are Faust's own, with its defaults.
"""

import os
from pathlib import Path
from typing import Any

import faust
from faust.types import EventT, StreamT

from tests.bench.peers.wire import NUMBERS, TAGS, Progress

_SPAN_S = 10.0


class Reading(faust.Record):
    """A reading of any type; what a type doesn't have is None."""

    type: str
    ts: int
    boot: int
    seq: int
    direction: str | None = None
    subject: str = "ambient"
    service: str | None = None
    event: str | None = None
    mask: bool | None = None
    body_celsius: float | None = None
    confidence: float | None = None
    people: float | None = None
    fps: float | None = None
    vehicles: float | None = None
    motion: float | None = None
    bitrate_kbps: float | None = None
    storage_free_pct: float | None = None
    tamper: bool | None = None
    celsius: float | None = None
    humidity_pct: float | None = None
    efficiency_pct: float | None = None
    ions_cm3: float | None = None
    ozone_ugm3: float | None = None
    pm25_ugm3: float | None = None
    co2_ppm: float | None = None
    filter_hours: float | None = None
    power_w: float | None = None
    volume_pct: float | None = None
    playing: bool | None = None
    queue: float | None = None
    noise_db: float | None = None


class Wire(faust.Record, serializer="json"):
    """One reading and where it came from."""

    site: str
    device: str
    reading: dict[str, Any]


def event_s(event: EventT[Wire]) -> float:
    """Event time of a record, in seconds since the epoch."""
    wire: Any = event.value
    return float(wire.reading["ts"] / 1000)


def fold(cell: dict[str, Any], reading: Any) -> dict[str, Any]:
    """One more reading in the statistics of its window."""
    cell["count"] = cell.get("count", 0) + 1
    fields = cell.setdefault("fields", {})
    for name in NUMBERS.get(reading.type, ()):
        value = getattr(reading, name)
        if value is None:
            continue
        value = float(value)  # a bool has no place in the sink's windows
        count, total, low, high = fields.get(name, (0, 0.0, value, value))
        fields[name] = (count + 1, total + value, min(low, value), max(high, value))
    return cell


def make_app(kafka: str, source: str, output: str, data: str, progress: Progress) -> faust.App:
    """The application, with one agent and one table."""
    app = faust.App(
        source.replace(".", "-"),
        broker=f"kafka://{kafka}",
        store="memory://",
        datadir=data,
        topic_partitions=8,
        table_cleanup_interval=1.0,
        web_enabled=False,
    )
    readings = app.topic(source, value_type=Wire)
    closed = app.topic(output, value_serializer="json")

    async def send(key: tuple[str, tuple[float, float]], value: dict[str, Any]) -> None:
        (series, (start_s, _)) = key
        name, site, device, *tags = series.split("|")
        await closed.send(
            key=site,
            value={
                "type": name, "site": site, "device": device, "tags": tags,
                "start": round(start_s * 1000), **value,
            },
        )  # fmt: skip

    table: Any = app.Table("windows", default=dict, on_window_close=send)
    windows = table.tumbling(_SPAN_S, expires=_SPAN_S).relative_to(event_s)

    async def take(stream: StreamT[Wire]) -> None:
        async for wire in stream:
            try:
                reading: Any = Reading.from_data(wire.reading)
            except TypeError:  # a field is missing
                continue
            tags = [str(getattr(reading, tag)) for tag in TAGS.get(reading.type, ())]
            series = "|".join((reading.type, wire.site, wire.device, *tags))
            windows[series] = fold(windows[series].value(), reading)
            progress.readings += 1

    app.agent(readings, name="fold")(take)

    async def tell() -> None:
        progress.write()

    app.timer(0.2)(tell)
    return app


def main() -> None:
    """Run a worker as `faust worker` would; what it needs comes by the environment."""
    environ = os.environ
    app = make_app(
        environ["BENCH_KAFKA"],
        environ["BENCH_SOURCE"],
        environ["BENCH_OUTPUT"],
        environ["BENCH_DATA"],
        Progress(Path(environ["BENCH_PROGRESS"])),
    )
    faust.Worker(app, loglevel="warning").execute_from_commandline()


if __name__ == "__main__":
    main()
