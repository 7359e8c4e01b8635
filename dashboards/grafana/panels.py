"""Panels as Grafana's: each masks its current values, and says so where it can't vouch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from grafana_foundation_sdk.builders import (
    common,
    stat,
    text,
)
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    GridPos,
)
from grafana_foundation_sdk.models.text import TextMode

from dashboards.grafana.fields import mappings, properties, thresholds, unit_id
from dashboards.grafana.histories import state_timeline, time_series
from dashboards.grafana.queries import INFLUX, masked, series
from dashboards.grafana.tables import events_panel, table_panel
from dashboards.model import (
    UNKNOWN,
    Board,
    Events,
    Panel,
    Placed,
    Signal,
    Stat,
    StateTimeline,
    Table,
    Text,
    TimeSeries,
)

AGE_HEIGHT: Final = 2
"""Rows of the strip under each value that says how old it is."""
Builder = Any
"""One of the SDK's panel builders: they share these methods, but no type that has them."""


def panels(placed: Placed, board: Board, boards: Mapping[str, Board]) -> Iterator[Builder]:
    """The Grafana panels of one of ours: a value has its age under it."""
    panel = placed.panel
    match panel:
        case None:
            return
        case Stat():
            height = placed.height - AGE_HEIGHT
            yield _placed(_stat(panel), panel, placed, height=height)
            age = _placed(_ages(panel), panel, placed, height=AGE_HEIGHT, below=height)
            yield age.title("").description(f"{panel.age.title}: {panel.age.description}")
        case Table():
            yield _placed(table_panel(panel, board, boards), panel, placed)
        case TimeSeries():
            yield _placed(time_series(panel), panel, placed)
        case StateTimeline():
            yield _placed(state_timeline(panel), panel, placed)
        case Events():
            yield _placed(events_panel(panel, board, boards), panel, placed)
        case Text():
            yield _placed(
                text.Panel().mode(TextMode.MARKDOWN).content(panel.markdown), panel, placed
            )


def _placed(
    made: Builder, panel: Panel, placed: Placed, *, height: int | None = None, below: int = 0
) -> Builder:
    place = GridPos(x=placed.x, y=placed.y + below, w=placed.width, h=height or placed.height)
    made.title(panel.title).description(panel.description).grid_pos(place)
    return made if isinstance(panel, Text) else made.datasource(INFLUX)


def _stat(panel: Stat) -> Builder:
    several = len(panel.values) > 1 or any(shown.signal.by for shown in panel.values)
    made = (
        stat.Panel()
        .unit(unit_id(panel.values[0].signal.unit))
        .no_value(UNKNOWN)
        .mappings(mappings((), empty=UNKNOWN))
        .thresholds(thresholds(()))
        .graph_mode(looks.BigValueGraphMode.NONE)
        .color_mode(looks.BigValueColorMode.VALUE)
        .text_mode(
            looks.BigValueTextMode.VALUE_AND_NAME if several else looks.BigValueTextMode.VALUE
        )
        .reduce_options(common.ReduceDataOptions().calcs(["last"]).values(values=False).fields(""))
    )
    for query in masked(panel.values):
        made.with_target(query)
    for shown in panel.values:
        looks_of = properties(shown, empty=UNKNOWN)
        if shown.signal.by:
            tags = " · ".join(f"${{__field.labels.{tag}}}" for tag in shown.signal.by)
            title = f"{shown.name} {tags}" if len(panel.values) > 1 else tags
            looks_of[0] = DynamicConfigValue("displayName", title)
        made.override_by_query(shown.signal.name, looks_of)
    return made


def _ages(panel: Stat) -> Builder:
    """How old the rows behind the values are: one age for all, or one for each by its name."""
    asked: dict[Signal, list[str]] = {}
    for shown in panel.values:
        asked.setdefault(panel.age_of(shown), []).append(shown.name)
    several = len(asked) > 1 or any(signal.by for signal in asked)
    made = (
        stat.Panel()
        .unit(unit_id("time"))
        .no_value("never")
        .thresholds(thresholds(()))
        .graph_mode(looks.BigValueGraphMode.NONE)
        .color_mode(looks.BigValueColorMode.NONE)
        .text_mode(
            looks.BigValueTextMode.VALUE_AND_NAME if several else looks.BigValueTextMode.VALUE
        )
        .reduce_options(
            common.ReduceDataOptions().calcs(["last"]).values(values=False).fields("Time")
        )
    )
    if several:
        made.display_name("${__series.name}")
    for signal, names in asked.items():
        tags = " · ".join(f"$tag_{tag}" for tag in signal.by)
        alias = " · ".join(names) if len(asked) > 1 else tags
        made.with_target(series(signal, alias))
    return made
