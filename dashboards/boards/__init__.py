"""Boards: what each shows, built from signals and the limits of the rules in force."""

from __future__ import annotations

from dashboards.boards.alerts import alert_board
from dashboards.boards.catalogue import Entry, catalogue, signals_of, uses
from dashboards.boards.city import city
from dashboards.boards.desks import desks
from dashboards.boards.kinds import entrances, speakers, streets, thermometers
from dashboards.boards.pipeline import pipeline_board
from dashboards.boards.places import device, site
from dashboards.boards.quality import quality_board
from dashboards.boards.stops import ionizers
from dashboards.limits import Limits
from dashboards.model import Board

__all__ = ["Entry", "build_all", "catalogue", "signals_of", "uses"]

_BOARDS = (
    *(city, entrances, streets, thermometers, ionizers, speakers, desks),
    *(site, device, alert_board, pipeline_board, quality_board),
)


def build_all(limits: Limits) -> tuple[Board, ...]:
    """Every board, in the order of the menu."""
    return tuple(build(limits) for build in _BOARDS)
