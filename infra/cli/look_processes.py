"""`qala ps`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from rich.text import Text

from infra.cli.output import console, print_json, show, table
from infra.settings import load_settings
from infra.supervisor.figures import CPU, MEMORY, of_process, scrape, waits_for
from infra.supervisor.keyfigures import KEY_FIGURES, KeyFigures, failures_of, rejected_of
from infra.supervisor.ownership import base_name, unwatched
from infra.supervisor.records import (
    SUPERVISOR,
    ProbeRecord,
    ProcessRecord,
    State,
    read_processes,
    remembered_probes,
    run_folder,
)
from infra.words import age_words, bytes_words, count_words, counted, state_text, utc_words

_UNWATCHED: Final = (
    "nothing watches these processes, as their `qala up` was killed: run `qala up`, which stops "
    "them and starts everything anew, or `qala servers down`"
)
_READING: Final = {
    "taken in": "since the start; readings with statuses and replies, rows and messages with "
    "Qala's own",
    "rejected": "input that became dead letters, for which the stage is not to blame "
    "(`qala dlq list`)",
    "failures": "what had to be tried again",
    "for": "how long it has been in this state (one started by hand: since its start)",
    "lag": "what it still has to deal with (workers and sinks: in records of Kafka)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One process as `ps` shows it; ``since`` in s since 1970, ``reason`` why it isn't ready."""

    name: str
    pid: int | None
    state: State
    restarts: int
    since: float
    metrics: dict[str, float | str]
    reason: str | None = None


def list_processes(*, data: Path | None, as_json: bool) -> None:
    """Print what runs on the data folder."""
    folder_of = load_settings(data=data).data.resolve()
    found = asyncio.run(gather(run_folder(folder_of)))
    if as_json:
        print_json([_as_dict(process) for process in found])
    else:
        _show(found, folder_of)
    if unwatched(run_folder(folder_of)):
        sys.stderr.write(f"{_UNWATCHED}\n")


def _show(found: Sequence[Shown], data: Path) -> None:
    numbers = ("pid", "restarts", "taken in", "lag", "rejected", "failures", "CPU time", "memory")
    made = table(
        "name", "state", *numbers, "for", "address",
        right=numbers,
        drop=("address", "CPU time", "memory", "restarts", "for", "taken in", "failures"),
        last_wraps=False,
    )  # fmt: skip
    now = time.time()
    for process in found:
        made.add_row(*_row(process, now))
    columns = show(made, f"nothing runs on {data}; start everything with `qala up`")
    for process in found:
        if process.reason is not None:
            said = Text.assemble("\n", state_text(process.state), f" {process.name}: ")
            console().print(said + Text(process.reason))
    if any(base_name(process.name) in KEY_FIGURES for process in found):
        told = ". ".join(f"{name}: {what}" for name, what in _READING.items() if name in columns)
        console().print(Text(f"\n{told}", style="dim"))


async def gather(folder: Path) -> list[Shown]:
    """What a supervisor runs, in the order of its start, and stages started by hand.

    Where a process of a supervisor has ended and one started by hand has its name, that is shown.
    Of stages that have ended otherwise than they were asked to, the last word is shown.
    """
    remembered = remembered_probes(folder, time.time())
    probes = {probe.name: probe for probe, _ in remembered if probe.process.alive()}
    records = [
        record
        for record in read_processes(folder)
        if record.name != SUPERVISOR and (record.alive() or record.name not in probes)
    ]
    names = {record.name for record in records}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3.0)) as session:
        shown = [
            *(_supervised(session, record, probes.get(record.name)) for record in records),
            *(_by_hand(session, probe) for name, probe in probes.items() if name not in names),
        ]
        found = await asyncio.gather(*shown)
    names |= probes.keys()
    found += [_ended(probe, at_s) for probe, at_s in remembered if probe.name not in names]
    return sorted(found, key=lambda process: (_rank(process.name), process.name))


async def _supervised(
    session: aiohttp.ClientSession, record: ProcessRecord, probe: ProbeRecord | None
) -> Shown:
    alive = record.alive()
    metrics: dict[str, float | str] = {}
    if probe is not None and probe.process == record.process:
        metrics = await _metrics(session, probe)
    elif alive:
        metrics = dict(of_process(record.process))
    if record.address:
        metrics["address"] = record.address
    # without a living process these states are a killed supervisor's last words
    stale = not alive and record.state in {"starting", "ready", "waiting"}
    return Shown(
        name=record.name,
        pid=record.process.pid if record.process and alive else None,
        state="stopped" if stale else record.state,
        restarts=record.restarts,
        since=record.since,
        metrics=metrics,
        reason=None if stale or record.state == "ready" else record.reason,
    )


async def _by_hand(session: aiohttp.ClientSession, probe: ProbeRecord) -> Shown:
    metrics, reason = await asyncio.gather(_metrics(session, probe), waits_for(session, probe.port))
    started = metrics.get("process_start_time_seconds", time.time())
    return Shown(
        name=probe.name,
        pid=probe.process.pid,
        state="waiting" if reason else "ready",
        restarts=0,
        since=float(started),
        metrics=metrics,
        reason=reason,
    )


def _ended(probe: ProbeRecord, at_s: float) -> Shown:
    return Shown(
        name=probe.name,
        pid=None,
        state="failed" if probe.ended else "stopped",
        restarts=0,
        since=at_s,
        metrics={"id": probe.id},
        reason=probe.ended or "it was killed, and left no word",
    )


async def _metrics(session: aiohttp.ClientSession, probe: ProbeRecord) -> dict[str, float | str]:
    metrics: dict[str, float | str] = dict(await scrape(session, probe.port) or {})
    return {**metrics, "id": probe.id, "probe": probe.port}


def _rank(name: str) -> int:
    order = ("mosquitto", "kafka", "influxdb", "bridge", "streams", "sink-influx", "sink-chat")
    base = base_name(name)
    return order.index(base) if base in order else len(order)


def _as_dict(process: Shown) -> dict[str, Any]:
    return {
        "name": process.name,
        "pid": process.pid,
        "state": process.state,
        "restarts": process.restarts,
        "since": utc_words(process.since),
        "metrics": process.metrics,
        "reason": process.reason,
    }


def _row(process: Shown, now: float) -> tuple[str | Text, ...]:
    figures = {key: value for key, value in process.metrics.items() if isinstance(value, float)}
    keys = KEY_FIGURES.get(base_name(process.name))
    cpu = figures.get(CPU)
    memory = figures.get(MEMORY)
    probe = process.metrics.get("probe")
    address = process.metrics.get("address") or (f"127.0.0.1:{probe}/metrics" if probe else "")
    return (
        process.name,
        state_text(process.state),
        _dash(str(process.pid) if process.pid else None),
        Text(str(process.restarts), style="yellow" if process.restarts else "dim"),
        _taken_in(keys, figures),
        _count(figures.get(keys.lag) if keys and keys.lag else None),
        _count(rejected_of(keys, figures) if keys else None, "yellow"),
        _count(failures_of(keys, figures) if keys else None, "red"),
        _dash(age_words(cpu) if cpu is not None else None),
        _dash(bytes_words(memory) if memory is not None else None),
        age_words(now - process.since),
        Text(str(address), style="dim"),
    )


def _taken_in(keys: KeyFigures | None, figures: Mapping[str, float]) -> Text:
    value = figures.get(keys.rate) if keys else None
    return _dash(None if keys is None or value is None else counted(value, keys.unit))


def _count(value: float | None, alarm: str = "") -> Text:
    shown = _dash(None if value is None else count_words(value))
    if value and alarm:
        shown.stylize(alarm)
    return shown


def _dash(text: str | None) -> Text:
    return Text("–", style="dim") if text is None else Text(text)
