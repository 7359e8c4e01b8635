"""Panels as high as what is in them: Grafana's grid is fixed, a page's needn't be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Final

from dashboards.draw.panels import GAP_PX, ROW_PX
from dashboards.model import Board, Events, Panel, Placed, Stat, StateTimeline, Table, placed
from dashboards.preview.current import stat_cells, table_rows
from dashboards.preview.history import event_rows, state_lines
from dashboards.preview.view import Answers

_FRAME_PX: Final = 42
_HEAD_PX: Final = 23
_TABLE_ROW_PX: Final = 25.6
_TILE_PX: Final = 64
_BAND_PX: Final = 22
_AXES_PX: Final = 56
_TILES_PER_COLUMN: Final = 0.62
"""How many values fit beside one another in each of the grid's columns."""


def fitted(board: Board, answers: Answers) -> Iterator[Placed]:
    """The board's headings and panels with their places.

    Only a timeline, where a label for each band has to be read, is higher than its board says.
    What stands beside one another stays equally high, as far as the board has it so.
    """
    y = 0
    for _, beside in groupby(placed(board), key=lambda spot: spot.y):
        spots = list(beside)
        needed = max(_rows(spot, answers) for spot in spots)
        heights = [
            needed if isinstance(spot.panel, StateTimeline) else min(spot.height, needed)
            for spot in spots
        ]
        for spot, height in zip(spots, heights, strict=True):
            yield replace(spot, y=y, height=height)
        y += max(heights)


def _rows(spot: Placed, answers: Answers) -> int:
    """How many rows of the grid a panel fills."""
    height_px = None if spot.panel is None else _height_px(spot.panel, answers)
    if height_px is None:
        return spot.height
    return math.ceil((height_px + GAP_PX) / (ROW_PX + GAP_PX))


def _height_px(panel: Panel, answers: Answers) -> float | None:
    """What a panel needs; None where it fills whatever there is, as a chart does."""
    match panel:
        case Stat():
            beside = max(1, int(panel.width * _TILES_PER_COLUMN))
            lines = math.ceil(len(stat_cells(panel, answers)) / beside)
            return _FRAME_PX + max(1, lines) * _TILE_PX
        case Table():
            return _FRAME_PX + _HEAD_PX + max(1, len(table_rows(panel, answers))) * _TABLE_ROW_PX
        case Events():
            told = len(event_rows(panel.signal, answers))
            return _FRAME_PX + _HEAD_PX + max(2, told) * _TABLE_ROW_PX
        case StateTimeline():
            return _FRAME_PX + _AXES_PX + max(1, len(state_lines(panel, answers))) * _BAND_PX
        case _:
            return None
