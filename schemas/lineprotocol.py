"""InfluxDB line protocol: each record of Qala's as one line, typed by its schema.

A field's type comes from the schema and never from the value, so ``20`` after ``20.5`` is
``20.0``. Sites, devices, rules and services are ids and need no escaping; free text does
(https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, cast

import msgspec

from schemas.envelope import Line
from schemas.measurements import (
    DEVICE_STATE_CODES,
    NAMING_FIELDS,
    SERIES_PRIME,
    TAG_FIELDS,
    fields_of,
)
from schemas.readings import READING_STRUCTS
from schemas.records import (
    SIMULATED_FIRMWARE,
    WINDOW_MS,
    WORKER_COUNTS,
    Alert,
    DeviceRecord,
    Rollup,
    Throughput,
    WorkerProgress,
)

_Row = Callable[..., str]
_NULL: Final = "null"
_THROUGHPUT_FIELDS: Final = ("readings", "bytes", "devices", "people_in", "people_out", "people")
_DEVICE_COUNTS: Final = (
    "readings",
    "duplicates",
    "unprovable",
    "missing",
    "late",
    "generation",
)


def escape_tag(text: str) -> str:
    r"""A tag key, tag value or field key for line protocol.

    A newline and a trailing backslash cannot be expressed there; both become a space.
    """
    text = text.replace("\n", " ").replace("\r", " ")
    if text.endswith("\\"):
        text = text[:-1] + " "
    return text.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def escape_string(text: str) -> str:
    """The inside of a quoted string field; every character comes back as it was."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


class _RawShape:
    """How rows of one reading type are written: f-strings compiled from the type's schema.

    A compiled f-string takes a quarter of the time of a template with ``%``, and a raw row is
    what the sink spends most of its CPU on. Its text holds names from the schema alone, never
    input. There is one for each set of numbers that a device leaves out, made when first met.
    """

    def __init__(self, reading_type: str) -> None:
        self.type = reading_type
        self.fields = fields_of(reading_type)
        numeric = [field.name for field in self.fields if field.kind != "str"]
        self.names = (*NAMING_FIELDS, *numeric)
        self.numbers = attrgetter(*self.names)
        self.width = len(self.names)
        self.full = self.compiled(frozenset())
        self.partial: dict[tuple[bool, ...], _Row] = {}

    def compiled(self, absent: Container[str]) -> _Row:
        """The function of (line, reading, texts of the numbers) to a row without those absent."""
        tags = "".join(f",{tag}={{reading.{tag}}}" for tag in TAG_FIELDS[self.type])
        parts = ""
        for field in self.fields:
            if field.kind == "str":
                parts += f"{{string('{field.name}', reading.{field.name})}}"
            elif field.name not in absent:
                parts += f",{field.name}={{{field.name}}}{'i' if field.kind == 'int' else ''}"
        series = f"{self.type},site={{line.site}},device={{line.device}}{tags}"
        row = f"{series} boot={{boot}}i,seq={{seq}}i{parts}"
        source = f'lambda line, reading, {", ".join(self.names)}: f"{row}"'
        return cast("_Row", eval(source, {"string": _string_field}))  # noqa: S307  # see the class

    def without_nulls(self, texts: list[str]) -> _Row:
        """The function for a reading whose ``texts`` hold a null where it has no number."""
        absent = tuple([text == _NULL for text in texts])
        row = self.partial.get(absent)
        if row is None:
            names = frozenset(name for name, gone in zip(self.names, absent, strict=True) if gone)
            row = self.partial[absent] = self.compiled(names)
        return row


def _string_field(name: str, text: str | None) -> str:
    if text is None:
        return ""
    if '"' in text or "\\" in text:
        text = escape_string(text)
    return f',{name}="{text}"'


_RAW: Final[dict[type, _RawShape]] = {
    struct: _RawShape(name) for name, struct in READING_STRUCTS.items()
}
_numbers_json = msgspec.json.Encoder().encode


def reading_row(line: Line) -> str:
    """The raw row of a line that holds a reading (without a newline).

    Its timestamp is `schemas.measurements.timestamp_ns` of the event time, the boot and the
    seq. Where the device's clock was not believed, its own ``ts`` is the field ``device_ts``.
    """
    return reading_rows((line,))[0]


def reading_rows(lines: Sequence[Line]) -> list[str]:
    """The raw rows of lines that all hold a reading, in their order; see `reading_row`.

    The numbers of all lines become text in one call of msgspec's encoder: writing a float is
    most of a row's cost, and it does so three times as fast as ``repr``, in the same form but
    for the exponent's (``1e-5``, not ``1e-05``).
    """
    if not lines:
        return []
    numbers: list[Any] = []
    for line in lines:
        numbers += _RAW[type(line.reading)].numbers(line.reading)
    json = _numbers_json(numbers)
    texts = json[1:-1].decode().split(",")
    all_full = b"null" not in json
    rows = []
    start = 0
    for line in lines:
        reading: Any = line.reading
        shape = _RAW[type(reading)]
        end = start + shape.width
        held = texts[start:end]
        start = end
        write = shape.full if all_full or _NULL not in held else shape.without_nulls(held)
        row = write(line, reading, *held)
        shift = (reading.seq + SERIES_PRIME * reading.boot) % 1_000_000
        if line.at is None:
            rows.append(f"{row} {reading.ts * 1_000_000 + shift}")
        else:
            rows.append(f"{row},device_ts={reading.ts}i {line.at * 1_000_000 + shift}")
    return rows


def rollup_row(value: Rollup | Throughput) -> str:
    """The row of a rollup partial or of one throughput window."""
    if isinstance(value, Throughput):
        fields = ",".join(f"{name}={getattr(value, name)}i" for name in _THROUGHPUT_FIELDS)
        return (
            f"throughput_{value.window},site={value.site},kind={value.kind} "
            f"{fields} {value.start * 1_000_000}"
        )
    optional = _optional_fields(value.type)
    parts = [f"count={value.count}i"]
    for name, (count, total, low, high) in value.fields.items():
        parts.append(
            f"{name}_sum={float(total)!r},{name}_min={float(low)!r},{name}_max={float(high)!r}"
        )
        if name in optional:
            parts.append(f"{name}_count={count}i")
    tags = "".join(f",{name}={escape_tag(text)}" for name, text in value.tags.items())
    return (
        f"{value.type}_{value.window},site={value.site},device={value.device}{tags} "
        f"{','.join(parts)} {value.start * 1_000_000 + value.shift}"
    )


def alert_row(alert: Alert) -> str:
    """The row of one state change of an alert."""
    return (
        f"alert,site={alert.site},rule={alert.rule},severity={alert.severity},"
        f'device={alert.device} id="{escape_string(alert.id)}",state="{alert.state}",'
        f"firing={int(alert.state == 'firing')}i,started_ms={alert.started}i,"
        f'value={float(alert.value)!r},summary="{escape_string(alert.summary)}" '
        f"{alert.at * 1_000_000 + alert.ordinal}"
    )


def device_row(record: DeviceRecord) -> str:
    """The row of what is known of a device, at the moment (ms) when it was told + its ordinal (ns).

    A record that does not say that moment stands at the one since when its state has held.
    """
    parts = [
        f'state="{record.state}"',
        f"code={DEVICE_STATE_CODES[record.state]}i",
        f"since_ms={record.since}i",
        f"wrong_clock={'true' if record.wrong_clock else 'false'}",
    ]
    parts += [f"{name}={getattr(record, name)}i" for name in _DEVICE_COUNTS]
    if record.heard is not None:
        parts.append(f"heard_ms={record.heard}i")
    if record.interval_ms is not None:
        parts.append(f"interval_s={record.interval_ms / 1000!r}")
    if record.firmware is not None:
        parts.append(f'firmware="{escape_string(record.firmware)}"')
    at_ms = record.since if record.at is None else record.at
    return (
        f"device_state,site={record.site},kind={record.kind},device={record.device} "
        f"{','.join(parts)} {at_ms * 1_000_000 + record.ordinal}"
    )


def simulated_row(record: DeviceRecord) -> str | None:
    """The mark of its site's hour where a device is simulated, else None.

    It stands at the start of the hour (of the log's clock) in which the device was last heard, so
    that one which is only told of marks no further hour, and all of a site's devices make one row.
    """
    if record.firmware != SIMULATED_FIRMWARE:
        return None
    heard_ms = record.heard or record.at or record.since
    hour_ms = heard_ms - heard_ms % WINDOW_MS["1h"]
    return f'simulated,site={record.site} firmware="{SIMULATED_FIRMWARE}" {hour_ms * 1_000_000}'


def pipeline_row(tags: Mapping[str, str], fields: Mapping[str, float], at_ns: int) -> str:
    """A row of Qala's own counters: all fields floats, at ``at_ns`` (ns since the epoch)."""
    labels = "".join(f",{escape_tag(name)}={escape_tag(text)}" for name, text in tags.items())
    parts = ",".join(f"{escape_tag(name)}={float(value)!r}" for name, value in fields.items())
    return f"pipeline{labels} {parts} {at_ns}"


def worker_row(progress: WorkerProgress, behind_s: float | None) -> str:
    """The row by which the worker is live up to a clock, once all before it is in InfluxDB.

    ``behind_s`` is the wall clock less that clock, or None where it is simulated.
    """
    fields = {"share": 1 / progress.partitions}
    fields |= {name: getattr(progress, name) for name in WORKER_COUNTS}
    if behind_s is not None:
        fields["behind_s"] = behind_s
    tags = {"stage": "streams", "partition": str(progress.partition)}
    return pipeline_row(tags, fields, progress.clock * 1_000_000)


def telemetry_row(partition: int, partitions: int, clock_ms: int) -> str:
    """The row by which one of ``partitions`` has its readings in InfluxDB up to a clock."""
    tags = {"stage": "sink-influx", "partition": str(partition)}
    return pipeline_row(tags, {"share": 1 / partitions}, clock_ms * 1_000_000)


_OPTIONAL: Final[dict[str, frozenset[str]]] = {}


def _optional_fields(reading_type: str) -> frozenset[str]:
    known = _OPTIONAL.get(reading_type)
    if known is None:
        known = frozenset(field.name for field in fields_of(reading_type) if field.optional)
        _OPTIONAL[reading_type] = known
    return known
