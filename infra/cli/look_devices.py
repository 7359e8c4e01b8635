"""`qala devices list`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from infra.cli.output import console, iso_ms, print_json, show, table
from infra.settings import load_settings
from infra.supervisor.records import read_probes, run_folder
from infra.topic_reader import last_by_key
from infra.words import age_words, count_words, state_text
from schemas.records import DeviceRecord, decode_device
from schemas.topics import DEVICES


def list_devices(
    site: str | None, state: str | None, *, data: Path | None, as_json: bool, now_s: float
) -> None:
    """Print the devices' newest records, those in trouble first.

    Raises:
        LookupFailedError: Kafka can't be asked.
    """
    logging.disable()  # what a client logs of an absent Kafka is in our sentence
    settings = load_settings(data=data)
    values = asyncio.run(last_by_key(settings.kafka, DEVICES)).values()
    found = sorted(filter(None, map(_decoded, values)), key=lambda d: (_rank(d), d.site, d.device))
    chosen = [
        device
        for device in found
        if (site is None or fnmatchcase(device.site, site))
        and (state is None or device.state == state)
    ]
    if as_json:
        print_json([_as_dict(device) for device in chosen])
        return
    _show(chosen, found, now_s, _worker(settings.data))


def _show(
    chosen: Sequence[DeviceRecord], found: Sequence[DeviceRecord], now_s: float, worker: str
) -> None:
    numbers = ("heard", "every", "readings", "missing")
    made = table(
        "site", "device", "kind", "state", *numbers, "note",
        right=numbers,
        drop=("every", "kind", "readings", "heard", "missing"),
    )  # fmt: skip
    for device in chosen:
        made.add_row(*_row(device, now_s))
    show(made, "no device like that" if found else "no devices yet")
    told_ms = [device.at for device in found if device.at is not None]
    if chosen and told_ms:
        age = age_words(now_s - max(told_ms) / 1000)
        told = (
            "as told by the worker: of devices that send once a minute of its clock, of the others "
            f"once an hour; the newest of it {age} ago. {worker}"
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


def _as_dict(device: DeviceRecord) -> dict[str, Any]:
    """What is known, its times in ISO form."""
    known: dict[str, Any] = msgspec.to_builtins(device)
    return known | {key: iso_ms(known[key]) for key in ("since", "at", "heard") if key in known}


def _decoded(value: bytes) -> DeviceRecord | None:
    try:
        return decode_device(value)
    except msgspec.DecodeError:
        return None  # a newer version's; it shows it itself


def _rank(device: DeviceRecord) -> int:
    return ("offline", "stale", "never_seen", "online").index(device.state)


def _row(device: DeviceRecord, now_s: float) -> tuple[str | Text, ...]:
    heard = "never" if device.heard is None else f"{age_words(now_s - device.heard / 1000)} ago"
    every = "not known" if device.interval_ms is None else age_words(device.interval_ms / 1000)
    return (
        device.site,
        device.device,
        Text(device.kind, style="dim"),
        state_text(device.state),
        heard,
        every,
        count_words(device.readings),
        Text(count_words(device.missing), style="yellow" if device.missing else "dim"),
        _note(device),
    )


def _note(device: DeviceRecord) -> Text:
    notes = []
    if device.wrong_clock:
        notes.append("wrong clock")
    if device.generation:
        notes.append(f"counters reset {device.generation} ×")
    if device.duplicates:
        notes.append(f"duplicates {count_words(device.duplicates)}")
    return Text(", ".join(notes), style="yellow")
