"""Signals: each query once, and what vouches for its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

SignalKind = Literal["now", "history", "events", "age"]
"""What a signal's rows are.

``now``: one row for each series (tags in ``by``), its number in the column ``value``; current
and so masked by liveness. ``history``: ``value`` over time, grouped by ``$__interval`` and the
tags in ``by``; empty intervals are gaps. ``events``: a row with a ``time`` and named columns for
each thing that happened. ``age``: as ``now``, but what counts is the *time* of the row and not
its value; a time that has passed is never stale, so it is not masked.
"""

LIVE_ABOVE: Final = 0.999
"""All partitions together have a share of 1; below this at least one of them is not live."""
UNKNOWN: Final = "unknown"
"""How a current value is shown that nothing vouches for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Liveness:
    """What vouches for current values: ``query`` gives the live share of partitions, 0 to 1."""

    stage: str
    title: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One query, in InfluxQL with Grafana's macros and the boards' variables.

    ``unit`` is a unit of `schemas` (``°C``, ``µg/m³``, ``1`` for a share) or one of
    `dashboards.units`. ``bound_s`` is the oldest that a row of a ``now`` or ``age`` signal may
    be. ``measurement`` is what it reads, without policy and window. ``shortest_s`` is how long
    the intervals of a history are at least: 0, or whole hours. Where
    a ``now`` signal has no row and ``zero_by`` has one, and both are live, its value is 0;
    Grafana can't tell that and shows it as unknown.
    """

    name: str
    title: str
    query: str
    unit: str
    kind: SignalKind
    measurement: str
    description: str
    by: tuple[str, ...] = ()
    liveness: Liveness | None = None
    bound_s: int | None = None
    shortest_s: int = 0
    zero_by: Signal | None = None
