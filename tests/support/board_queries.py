"""A board's query as it is asked of a database that a test has filled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dashboards.boards import build_all
from dashboards.influxql import Choice, interpolate, interval_ms
from dashboards.limits import read_limits, shipped_rules
from dashboards.model import SPANS, Span
from schemas.connections import InfluxConnection
from tests.support.board_city import HOUR

BOARDS = build_all(read_limits(shipped_rules()))


class Filled(NamedTuple):
    """An InfluxDB that holds a city's rows, which end at ``end_ms``."""

    influx: InfluxConnection
    end_ms: int


def asked(
    signal_query: str, filled: Filled, variables: Mapping[str, Choice], span: Span = SPANS[0]
) -> str:
    """A query over the last three hours (by hours: of the whole span), as of the city's end."""
    range_ms = 3 * HOUR if span.window != "1h" else span.seconds * 1000
    return interpolate(
        signal_query,
        {"window": span.window, **variables},
        start_ms=filled.end_ms - range_ms,
        end_ms=filled.end_ms,
        interval_ms=interval_ms(range_ms, span.window),
        now_ms=filled.end_ms,
    )
