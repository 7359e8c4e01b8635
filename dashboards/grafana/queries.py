"""A panel's queries in Grafana, and the expressions that mask current values.

A current value is never shown as it comes. Grafana's server takes the last number of each
series (``reduce``) and computes ``$value + 0 / ($live > 0.999)`` (``math``): the value where
every partition is live, not-a-number where one isn't, and no data where either query gives
none (Grafana's documentation, "Write expression queries"). Only that result is visible.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from grafana_foundation_sdk.builders import expr
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from dashboards.errors import DashboardError
from dashboards.model import LIVE_ABOVE, Liveness, Shown, Signal

DATASOURCE_UID: Final = "qala-influxdb"
DATASOURCE_TYPE: Final = "influxdb"
INFLUX: Final = DataSourceRef(type_val=DATASOURCE_TYPE, uid=DATASOURCE_UID)
EXPRESSIONS: Final = DataSourceRef(type_val="__expr__", uid="__expr__")
"""Grafana's own name for what it computes itself."""


class InfluxQuery(Dataquery, Builder[Dataquery]):
    """An InfluxQL query; the SDK has no type for InfluxDB, so this is one."""

    def __init__(self, ref_id: str, query: str, *, table: bool = False) -> None:
        """A query named ``ref_id``: as series, or as one table with its columns."""
        self.ref_id = ref_id
        self.query = query
        self.format = "table" if table else "time_series"
        self.alias = ""
        self.hide = False

    def build(self) -> Dataquery:
        """Itself: it is query and builder in one."""
        return self

    def to_json(self) -> dict[str, object]:
        """The query as Grafana stores it."""
        stored: dict[str, object] = {
            "datasource": INFLUX,
            "query": self.query,
            "rawQuery": True,
            "refId": self.ref_id,
            "resultFormat": self.format,
        }
        if self.alias:
            stored["alias"] = self.alias
        if self.hide:
            stored["hide"] = True
        return stored


Query = Builder[Dataquery]


def live_name(liveness: Liveness) -> str:
    """The refId of what vouches for values."""
    return f"live_{liveness.stage.replace('-', '_')}"


def masked(values: Iterable[Shown]) -> Iterator[Query]:
    """The queries and expressions of current values; what is visible bears the signal's name.

    Raises:
        DashboardError: a signal without liveness can't be shown as current.
    """
    asked: dict[str, Liveness] = {}
    for shown in values:
        signal = shown.signal
        if signal.liveness is None:
            raise DashboardError(
                f"the signal {signal.name!r} is shown as current, and nothing vouches for it; "
                "give it a liveness"
            )
        asked[signal.liveness.stage] = signal.liveness
        yield from _masked_value(signal, live_name(signal.liveness))
    for liveness in asked.values():
        yield _hidden(f"{live_name(liveness)}_asked", liveness.query)
        yield _last(live_name(liveness), f"{live_name(liveness)}_asked")


def _masked_value(signal: Signal, live: str) -> Iterator[Query]:
    yield _hidden(f"{signal.name}_asked", signal.query)
    yield _last(f"{signal.name}_last", f"{signal.name}_asked")
    yield (
        expr.TypeMath()
        .datasource(EXPRESSIONS)
        .ref_id(signal.name)
        .expression(f"${signal.name}_last + 0 / (${live} > {LIVE_ABOVE})")
    )


def series(signal: Signal, alias: str = "") -> InfluxQuery:
    """A visible query that gives one series for each set of tags, named by ``alias``."""
    query = InfluxQuery(signal.name, signal.query)
    query.alias = alias
    return query


def alias_of(shown: Shown, *, titled: bool) -> str:
    """How a series is named: its tags (``$tag_site``), after its title where there are more."""
    tags = " · ".join(f"$tag_{tag}" for tag in shown.signal.by)
    return f"{shown.name} {tags}".strip() if titled or not tags else tags


def _hidden(ref_id: str, query: str) -> InfluxQuery:
    asked = InfluxQuery(ref_id, query)
    asked.hide = True
    return asked


def _last(ref_id: str, of: str) -> expr.TypeReduce:
    return (
        expr.TypeReduce()
        .datasource(EXPRESSIONS)
        .ref_id(ref_id)
        .expression(f"${of}")
        .reducer("last")
        .hide(hide=True)
    )
