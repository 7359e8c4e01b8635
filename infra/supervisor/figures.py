"""Key figures of running processes: scraped from ``/metrics``, and asked of the system."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import aiohttp
import psutil

from infra.supervisor.identity import Identity
from infra.supervisor.records import NO_ANSWER

CPU: Final = "process_cpu_seconds_total"
MEMORY: Final = "process_resident_memory_bytes"

_TIMEOUT: Final = aiohttp.ClientTimeout(total=2.0)
_SAMPLE: Final = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{[^}]*\})? (?P<value>\S+)")
_LEFT_OUT: Final = ("_bucket", "_created", "_info")
_KEPT: Final = ("qala_", CPU, MEMORY)


def flatten(text: str) -> dict[str, float]:
    """Prometheus text as one number for each name.

    Labels are merged: values are added, but of ages and delays (``_seconds``) the largest
    counts. Buckets of histograms and what is not Qala's own are left out.
    """
    figures: dict[str, float] = {}
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match is None or not match["name"].startswith(_KEPT):
            continue
        name = match["name"]
        if name.endswith(_LEFT_OUT):
            continue
        value = float(match["value"])
        merged = figures.get(name)
        if merged is None:
            figures[name] = value
        else:
            figures[name] = max(merged, value) if name.endswith("_seconds") else merged + value
    return figures


async def scrape(session: aiohttp.ClientSession, port: int) -> dict[str, float] | None:
    """The figures of the stage whose probe is on ``port``, or None where it doesn't answer."""
    try:
        async with session.get(f"http://127.0.0.1:{port}/metrics", timeout=_TIMEOUT) as answer:
            return flatten(await answer.text()) if answer.ok else None
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None


async def waits_for(session: aiohttp.ClientSession, port: int) -> str | None:
    """What the stage whose probe is on ``port`` says that it waits for; None where it is ready."""
    try:
        async with session.get(f"http://127.0.0.1:{port}/ready") as answer:
            if answer.status == HTTPStatus.OK:
                return None
            reasons = (await answer.json())["reasons"]
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError):
        return NO_ANSWER
    return "; ".join(f"{part}: {reason}" for part, reason in reasons.items())


def of_process(identity: Identity | None) -> dict[str, float]:
    """CPU seconds and memory of a process that has no metrics of its own."""
    if identity is None:
        return {}
    try:
        process = psutil.Process(identity.pid)
        with process.oneshot():
            times = process.cpu_times()
            return {CPU: times.user + times.system, MEMORY: float(process.memory_info().rss)}
    except psutil.Error:
        return {}


class Rates:
    """What counters grow by a second, by the difference of two looks."""

    def __init__(self) -> None:
        """Nothing has been seen."""
        self._last: dict[str, tuple[float, Mapping[str, float]]] = {}
        self._rates: dict[str, dict[str, float]] = {}

    def look(self, name: str, now_s: float, figures: Mapping[str, float]) -> dict[str, float]:
        """Rates of all counters of ``name`` since its last look; none at the first.

        A counter that fell belongs to a process that was started again: it counts from 0.
        """
        before_s, before = self._last.get(name, (now_s, {}))
        passed_s = now_s - before_s
        if passed_s <= 0:
            self._last.setdefault(name, (now_s, dict(figures)))
            return self._rates.get(name, {})
        self._last[name] = (now_s, dict(figures))
        rates = {}
        for key, value in figures.items():
            if key.endswith("_total") and key in before:
                grown = value - before[key]
                rates[key] = (grown if grown >= 0 else value) / passed_s
        self._rates[name] = rates
        return rates
