"""Histories: lines, bars and bands over time. They are not masked: they have gaps."""

from __future__ import annotations

from typing import Any, Final

from grafana_foundation_sdk.builders import common, dashboard, statetimeline, timeseries
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    FieldColorModeId,
    MatcherConfig,
)

from dashboards.boards.catalogue import signals_of
from dashboards.grafana.fields import NO_DATA, mappings, thresholds, unit_id
from dashboards.grafana.queries import alias_of, series
from dashboards.influxql import MOST_POINTS, variables_in
from dashboards.model import Shown, StateTimeline, TimeSeries

_RAW_INTERVAL: Final = {"pipeline": "10s"}
_RAW_INTERVAL_ELSE: Final = "1m"
_HOUR_S: Final = 3600

Builder = Any
"""One of the SDK's panel builders: they share these methods, but no type that has them."""


def _history(made: Builder, panel: TimeSeries | StateTimeline) -> Builder:
    signals = list(signals_of(panel))
    shortest_s = max(signal.shortest_s for signal in signals)
    if shortest_s:
        interval = f"{shortest_s // _HOUR_S}h"
    elif any("window" in variables_in(signal.query) for signal in signals):
        interval = "${window}"
    else:
        interval = _RAW_INTERVAL.get(signals[0].measurement, _RAW_INTERVAL_ELSE)
    return made.interval(interval).max_data_points(MOST_POINTS).no_value(NO_DATA)


def time_series(panel: TimeSeries) -> Builder:
    """Lines or bars over time, with the limits of rules as dashed lines."""
    bars = panel.style == "bars"
    made = (
        timeseries.Panel()
        .unit(unit_id(panel.lines[0].signal.unit))
        .thresholds(thresholds(panel.limits))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .draw_style(looks.GraphDrawStyle.BARS if bars else looks.GraphDrawStyle.LINE)
        .bar_alignment(looks.BarAlignment.AFTER)
        .fill_opacity(60 if bars else 8)
        .line_width(1)
        .show_points(looks.VisibilityMode.AUTO)
        .span_nulls(panel.joins_s * 1000)
        .legend(
            common.VizLegendOptions()
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs([])
        )
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI))
    )
    if panel.limits:
        dashed = looks.GraphThresholdsStyleMode.DASHED
        made.thresholds_style(common.GraphThresholdsStyleConfig().mode(dashed))
    if panel.stacked:
        made.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    if panel.lowest is not None:
        made.min(panel.lowest)
    if panel.highest is not None:
        made.max(panel.highest)
    for shown in panel.lines:
        made.with_target(series(shown.signal, alias_of(shown, titled=len(panel.lines) > 1)))
        look = [DynamicConfigValue("unit", unit_id(shown.signal.unit))]
        if shown.decimals is not None:
            look.append(DynamicConfigValue("decimals", shown.decimals))
        look += _strokes(panel, shown)
        if shown.steps and not panel.limits:
            look.append(DynamicConfigValue("thresholds", thresholds(shown.steps).build()))
            look.append(DynamicConfigValue("custom.thresholdsStyle", {"mode": "dashed"}))
        made.override_by_query(shown.signal.name, look)
    return _history(made, panel)


def _strokes(panel: TimeSeries, shown: Shown) -> list[DynamicConfigValue]:
    """A line is thicker than what is drawn beside it, and only the thicker has a ground."""
    if shown.beside is not None:
        return [
            DynamicConfigValue("custom.lineWidth", 1),
            DynamicConfigValue("custom.fillOpacity", 0),
        ]
    is_thick = any(other.beside == shown.signal for other in panel.lines)
    return [DynamicConfigValue("custom.lineWidth", 2)] if is_thick else []


def state_timeline(panel: StateTimeline) -> Builder:
    """A band of words for each series; it ends where nothing was told for too long."""
    disconnect = DynamicConfigValue("custom.insertNulls", panel.holds_s * 1000)
    made = (
        statetimeline.Panel()
        .unit(unit_id(panel.states.signal.unit))
        .mappings(mappings(panel.states.words, empty=NO_DATA))
        .thresholds(thresholds(()))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .merge_values(merge_values=True)
        .show_value(looks.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs([])
        )
        .with_target(series(panel.states.signal, alias_of(panel.states, titled=False)))
        .with_override(MatcherConfig("byFrameRefID", panel.states.signal.name), [disconnect])
    )
    return _history(made, panel)
