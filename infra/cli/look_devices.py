"""`qala devices list`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from rich.text import Text

from infra.cli.output import console, iso_ms, print_json, print_simulated, show, table
from infra.settings import load_settings
from infra.supervisor.records import read_probes, run_folder
from infra.topic_reader import last_by_key
from infra.words import age_words, count_words, state_text
from infra.worker_clocks import WorkerClocks, worker_clocks
from schemas.records import DeviceRecord, decode_device
from schemas.topics import DEVICES
from streams.presence import MIN_INTERVAL_MS

_UNKNOWN: Final = (
    "unknown: for 10 s no worker has told that it is with the log's clock, or no bridge ticks, or "
    "this machine's clock is off."
)
_EVERY: Final = "every: its usual interval, at least 10 s. "


class Seen(NamedTuple):
    """A device, and what is known of its state now: "unknown" where nothing vouches for it."""

    device: DeviceRecord
    state: str


def list_devices(
    site: str | None, state: str | None, *, data: Path | None, as_json: bool, now_s: float
) -> None:
    """Print the devices' newest records, those in trouble first.

    Raises:
        LookupFailedError: Kafka can't be asked.
    """
    logging.disable()  # what a client logs of an absent Kafka is in our sentence
    settings = load_settings(data=data)
    now_ms = round(now_s * 1000)

    async def ask() -> tuple[dict[bytes, bytes], WorkerClocks]:
        stored = await last_by_key(settings.kafka, DEVICES)
        return stored, await worker_clocks(settings.kafka, now_ms)

    values, clocks = asyncio.run(ask())
    found = [
        Seen(device, device.state if clocks.live(device.site, now_ms) else "unknown")
        for device in filter(None, map(_decoded, values.values()))
    ]
    here = [
        seen
        for seen in sorted(found, key=_order)
        if site is None or fnmatchcase(seen.device.site, site)
    ]
    chosen = [seen for seen in here if state is None or state in {seen.state, seen.device.state}]
    if as_json:
        print_json([_as_dict(seen) for seen in chosen])
        return
    empty = "no device like that" if found else "no devices yet"
    _show(chosen, here, clocks.now_ms(now_ms) / 1000, worker=_worker(settings.data), empty=empty)
    if chosen:
        print_simulated(clocks.speed)


def _show(
    chosen: Sequence[Seen], found: Sequence[Seen], now_s: float, *, worker: str, empty: str
) -> None:
    """``chosen`` are those of ``found``, the wanted sites' devices, that are in a wanted state."""
    numbers = ("heard", "every", "readings", "missing")
    made = table(
        "site", "device", "kind", "state", *numbers, "note",
        right=numbers,
        drop=("every", "kind", "readings", "heard", "missing"),
    )  # fmt: skip
    for seen in chosen:
        made.add_row(*_row(seen, now_s))
    columns = show(made, empty)
    if any(seen.state == "unknown" for seen in found):
        console().print(Text(f"\n{_UNKNOWN} `qala doctor` says which", style="yellow"))
    told_ms = [seen.device.at for seen in found if seen.device.at is not None]
    if chosen and told_ms:
        age = age_words(now_s - max(told_ms) / 1000)
        told = (
            "as told by the worker: states at once, figures of devices that send once a minute of "
            f"its clock, of the others once an hour; the newest of it {age} ago. "
            f"{_EVERY if 'every' in columns else ''}{worker}"
        )
        console().print(Text(f"\n{told}", style="dim"))


def _worker(data: Path) -> str:
    """Whether a worker lives on this data folder; those of other machines aren't seen here."""
    living = [
        str(probe.process.pid)
        for probe in read_probes(run_folder(data))
        if probe.stage == "streams" and probe.process.alive()
    ]
    if not living:
        return f"No worker runs on {data}"
    return f"The worker runs (pid {', '.join(living)})"


def _as_dict(seen: Seen) -> dict[str, Any]:
    """What is known, its times in ISO form."""
    known: dict[str, Any] = msgspec.to_builtins(seen.device)
    known |= {key: iso_ms(known[key]) for key in ("since", "at", "heard") if key in known}
    if seen.state != seen.device.state:
        known |= {"state": seen.state, "last_state": seen.device.state}
    return known


def _decoded(value: bytes) -> DeviceRecord | None:
    try:
        return decode_device(value)
    except msgspec.DecodeError:
        return None  # a newer version's; it shows it itself


def _order(seen: Seen) -> tuple[int, str, str]:
    """Those in trouble first."""
    rank = ("unknown", "offline", "stale", "never_seen", "online").index(seen.state)
    return rank, seen.device.site, seen.device.device


def _row(seen: Seen, now_s: float) -> tuple[str | Text, ...]:
    device = seen.device
    heard = "never" if device.heard is None else f"{age_words(now_s - device.heard / 1000)} ago"
    return (
        device.site,
        device.device,
        Text(device.kind, style="dim"),
        state_text(seen.state),
        heard,
        _every(device.interval_ms),
        # of one that has just been heard for the first time nothing is counted yet
        count_words(device.readings) if device.readings or device.heard is None else "–",
        Text(count_words(device.missing), style="yellow" if device.missing else "dim"),
        _note(seen),
    )


def _every(interval_ms: int | None) -> str:
    """The usual interval; the worker does not tell shorter ones apart than the shortest."""
    if interval_ms is None:
        return "not known"
    sign = "≤ " if interval_ms == MIN_INTERVAL_MS else ""
    return sign + age_words(interval_ms / 1000)


def _note(seen: Seen) -> Text:
    device = seen.device
    notes = []
    if seen.state != device.state:
        notes.append(f"was {device.state.replace('_', ' ')}")
    if device.wrong_clock:
        notes.append("wrong clock")
    if device.generation:
        notes.append(f"counters reset {device.generation} ×")
    if device.duplicates:
        notes.append(f"duplicates {count_words(device.duplicates)}")
    return Text(", ".join(notes), style="yellow")
