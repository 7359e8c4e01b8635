"""Tables: rows with masked current values, and events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue

from dashboards.grafana.fields import NO_DATA, colour, mappings, properties, thresholds, unit_id
from dashboards.grafana.links import row_link
from dashboards.grafana.queries import InfluxQuery, masked, series
from dashboards.model import UNKNOWN, Board, Events, Table

Builder = Any
"""One of the SDK's panel builders: they share these methods, but no type that has them."""


def table_panel(panel: Table, board: Board, boards: Mapping[str, Board]) -> Builder:
    """Rows by tags: a column of tags each, the age of the row, the masked values."""
    tags = panel.rows.by
    order = [*tags, "Time", *(shown.signal.name for shown in panel.columns)]
    made = (
        table.Panel()
        .unit(unit_id(""))
        .no_value(UNKNOWN)
        .mappings(mappings((), empty=NO_DATA))
        .thresholds(thresholds(()))
        .filterable(filterable=True)
        .cell_options(looks.TableAutoCellOptions())
        .cell_height(looks.TableCellHeight.SM)
        .with_target(series(panel.rows))
        .transformations(
            [
                DataTransformerConfig("labelsToFields", options={"mode": "columns"}),
                DataTransformerConfig("merge", options={}),
                DataTransformerConfig(
                    "organize",
                    options={
                        "excludeByName": {"Value": True, "value": True},
                        "indexByName": {name: place for place, name in enumerate(order)},
                        "renameByName": {},
                    },
                ),
            ]
        )
        .sort_by([_sort(panel)])
    )
    for query in masked(panel.columns):
        made.with_target(query)
    for tag in tags:
        look = [DynamicConfigValue("displayName", tag.capitalize())]
        if panel.links and tag == _link_column(panel):
            links = [row_link(link, board, boards) for link in panel.links]
            look.append(DynamicConfigValue("links", links))
        made.override_by_name(tag, look)
    made.override_by_name(
        "Time",
        [
            DynamicConfigValue("displayName", panel.age_title),
            DynamicConfigValue("unit", unit_id("time")),
        ],
    )
    for shown in panel.columns:
        cell = DynamicConfigValue("custom.cellOptions", {"type": "color-text"})
        made.override_by_name(shown.signal.name, [*properties(shown, empty=NO_DATA), cell])
    return made


def _link_column(panel: Table) -> str:
    """The column that a row's links hang on: the most precise of its tags."""
    return "device" if "device" in panel.rows.by else panel.rows.by[0]


def _sort(panel: Table) -> common.TableSortByFieldState:
    for shown in panel.columns:
        if shown.signal.name == panel.sort:
            return common.TableSortByFieldState().display_name(shown.name).desc(desc=True)
    first = panel.rows.by[0].capitalize()
    return common.TableSortByFieldState().display_name(first).desc(desc=False)


def events_panel(panel: Events, board: Board, boards: Mapping[str, Board]) -> Builder:
    """What happened, newest first; a row leads on to its device."""
    made = (
        table.Panel()
        .unit(unit_id(panel.signal.unit))
        .no_value(NO_DATA)
        .thresholds(thresholds(()))
        .filterable(filterable=True)
        .cell_options(looks.TableAutoCellOptions())
        .cell_height(looks.TableCellHeight.SM)
        .with_target(InfluxQuery(panel.signal.name, panel.signal.query, table=True))
        .sort_by([common.TableSortByFieldState().display_name("Time").desc(desc=True)])
    )
    for column in panel.columns:
        look = [DynamicConfigValue("displayName", column.title)]
        if column.words:
            words = {
                word: {"text": word, "color": colour(name), "index": place}
                for place, (word, name) in enumerate(column.words.items())
            }
            look += [
                DynamicConfigValue("mappings", [{"type": "value", "options": words}]),
                DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            ]
        if column.column == "device" and panel.links:
            links = [row_link(link, board, boards) for link in panel.links]
            look.append(DynamicConfigValue("links", links))
        made.override_by_name(column.column, look)
    return made
