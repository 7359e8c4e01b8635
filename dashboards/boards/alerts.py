"""Alerts: which fire, and what happened to all of them."""

from __future__ import annotations

from dashboards.boards import parts
from dashboards.boards.places import alerts_table
from dashboards.limits import Limits
from dashboards.model import YEAR_SPANS, Board, Section, TimeSeries
from dashboards.signals import alerts


def alert_board(_limits: Limits) -> Board:
    """Which alerts fire, and what happened."""
    fired = alerts.fired_over_time
    return Board(
        uid="qala-alerts",
        title="Alerts",
        spans=YEAR_SPANS,
        description="Alerts that fire, and what happened to all of them.",
        variables=(parts.SITE, parts.DEVICE),
        sections=(
            Section(
                title="Now",
                panels=(parts.live_tile(width=6), parts.alerts_tile(width=18), alerts_table()),
            ),
            Section(
                title="Over time",
                panels=(
                    TimeSeries(
                        title=fired.title,
                        description=fired.description,
                        lines=parts.shown([fired], 0),
                        style="bars",
                        stacked=True,
                        lowest=0,
                        width=24,
                        height=6,
                    ),
                    parts.what_happened(),
                ),
            ),
        ),
    )
