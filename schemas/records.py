"""Values of the topics behind the worker: rollups, its progress, alerts, devices, chat."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

Window = Literal["10s", "1m", "1h"]
WINDOW_MS: Final[dict[str, int]] = {"10s": 10_000, "1m": 60_000, "1h": 3_600_000}

Ms = Annotated[int, Meta(extra={"unit": "ms"})]
"""Milliseconds: a duration, or since the Unix epoch."""
FieldStats = tuple[int, float, float, float]
"""Of one field in one window: how many values, their sum, minimum, maximum."""


class Rollup(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="row", tag="rollup"
):
    """A partial of one series in one window; a window is the merge of all its partials.

    ``start`` is the window's start in ms; ``shift`` the ns that a late partial stands after it
    (0 for the row written when the window closed). ``tags`` are those beyond site and device.
    """

    type: str
    window: Window
    site: str
    device: str
    start: Ms
    count: int
    fields: dict[str, FieldStats]
    tags: dict[str, str] = {}
    shift: Annotated[int, Meta(extra={"unit": "ns"})] = 0


class Throughput(Struct, frozen=True, gc=False, kw_only=True, tag_field="row", tag="throughput"):
    """What one (site, kind) sent in one window of the log's clock; ``start`` in ms."""

    window: Window
    site: str
    kind: str
    start: Ms
    readings: int
    bytes: Annotated[int, Meta(extra={"unit": "B"})]
    devices: int
    people_in: int
    people_out: int
    people: int


class WorkerProgress(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="row", tag="progress"
):
    """How far the worker has come with one of ``partitions`` partitions of the telemetry.

    It has folded everything up to ``clock`` (ms on that partition's clock), and stands behind
    all that came of it. ``speed`` is there where the bridges' clock is simulated. The counts
    are those since the worker took the partition over: they begin at 0 again after a restart.
    """

    partition: int
    partitions: int
    clock: Ms
    speed: float | None = None
    records: int = 0
    lines: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    late: int = 0
    unprovable: int = 0
    resets: int = 0
    outages: int = 0
    rollups: int = 0
    alerts: int = 0


WORKER_COUNTS: Final = tuple(
    name
    for name in WorkerProgress.__struct_fields__
    if name not in {"partition", "partitions", "clock", "speed"}
)
"""The names of the counts in a `WorkerProgress`."""

RollupValue = Rollup | Throughput | WorkerProgress

AlertState = Literal["pending", "firing", "resolved"]
Severity = Literal["info", "warning", "critical"]


class Alert(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One state change of an alert.

    ``at`` is the transition in ms on the log's clock, ``ordinal`` counts the transitions of
    this alert from 0 (on from that of the rule's last alert at this device, where that ended in
    the same ms), ``started`` is the event time (ms) at which its condition began.
    ``fired`` says that it has fired in its life: always when firing, and when resolved after.
    """

    id: str
    rule: str
    severity: Severity
    site: str
    kind: str
    device: str
    state: AlertState
    value: float
    summary: str
    at: Ms
    ordinal: int
    started: Ms
    unit: str = ""
    measure: str = ""
    runbook: str = ""
    fired: bool = False


DeviceStateName = Literal["online", "stale", "offline", "never_seen"]


SIMULATED_FIRMWARE: Final = "simulated"
"""What a device of the simulator says in place of its firmware."""


class DeviceRecord(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What is known of one device; ``since``, ``heard`` and ``at`` are ms on the log's clock.

    ``at`` is when this was told (None in values of programs that did not say it), and
    ``ordinal`` counts what was told of the device in that ms, from 0.
    ``interval_ms`` is the usual interval between its messages (None before four of them),
    ``missing`` counts seq numbers that have not come for more than ten minutes, ``late`` the
    readings whose 10 s window had closed.
    """

    site: str
    kind: str
    device: str
    state: DeviceStateName
    since: Ms
    at: Ms | None = None
    ordinal: int = 0
    heard: Ms | None = None
    boot: int | None = None
    firmware: str | None = None
    interval_ms: Ms | None = None
    generation: int = 0
    readings: int = 0
    duplicates: int = 0
    unprovable: int = 0
    missing: int = 0
    late: int = 0
    wrong_clock: bool = False


class ChatReceipt(Struct, frozen=True, gc=False, kw_only=True):
    """One message that one chat channel has taken; ``at`` in ms by the sink's clock.

    Where it is not ``taken``, it was about to be sent: what became of that is not known.
    """

    channel: str
    message: str
    alert: str
    state: str
    at: Ms
    taken: bool = True


def rollup_key(value: RollupValue) -> bytes:
    """Kafka key of a rollup: its series and its window; the same for the same partial.

    That of a `WorkerProgress` is its partition and its clock.
    """
    if isinstance(value, Throughput):
        return f"{value.site}/{value.kind}/throughput/{value.window}/{value.start}".encode()
    if isinstance(value, WorkerProgress):
        return f"progress/{value.partition}/{value.clock}".encode()
    tags = "".join(f"/{text}" for text in value.tags.values())
    return (
        f"{value.site}/{value.device}/{value.type}{tags}/{value.window}/{value.start}+{value.shift}"
    ).encode()


def device_key(site: str, device: str) -> bytes:
    """Kafka key of a device record."""
    return f"{site}/{device}".encode()


encode = msgspec.json.Encoder().encode
"""Any record to its JSON bytes."""
_T = TypeVar("_T")
_rollups: msgspec.json.Decoder[RollupValue] = msgspec.json.Decoder(RollupValue)
_alerts = msgspec.json.Decoder(Alert)
_devices = msgspec.json.Decoder(DeviceRecord)
_receipts = msgspec.json.Decoder(ChatReceipt)


def decode_rollup(value: bytes) -> RollupValue:
    """A value of ``qala.rollups.v1``. Raises `msgspec.DecodeError` where it is none."""
    return _decoded(_rollups, value)


def decode_alert(value: bytes) -> Alert:
    """A value of ``qala.alerts.v1``. Raises `msgspec.DecodeError` where it is none."""
    return _decoded(_alerts, value)


def decode_device(value: bytes) -> DeviceRecord:
    """A value of ``qala.devices.v1``. Raises `msgspec.DecodeError` where it is none."""
    return _decoded(_devices, value)


def decode_receipt(value: bytes) -> ChatReceipt:
    """A value of ``qala.chat.v1``. Raises `msgspec.DecodeError` where it is none."""
    return _decoded(_receipts, value)


def _decoded(decoder: msgspec.json.Decoder[_T], value: bytes) -> _T:
    """What ``value`` holds; msgspec has two more errors, which every caller would have to know."""
    try:
        return decoder.decode(value)
    except UnicodeDecodeError as exc:
        raise msgspec.DecodeError("a string in it is not UTF-8") from exc
    except RecursionError as exc:
        raise msgspec.DecodeError("it is nested too deeply") from exc
