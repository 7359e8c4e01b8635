"""Boards without Grafana: the same definitions and queries, drawn into HTML pages."""

from __future__ import annotations

from dashboards.preview.ask import Asker
from dashboards.preview.current import CurrentValue, current_values
from dashboards.preview.draw import Wish, Written, answers_for, map_of, preview
from dashboards.preview.errors import AskError, NoSuchBoardError, PreviewError
from dashboards.preview.pages import Map
from dashboards.preview.view import Answers, View
from schemas.influxql import Series

__all__ = [
    "Answers",
    "AskError",
    "Asker",
    "CurrentValue",
    "Map",
    "NoSuchBoardError",
    "PreviewError",
    "Series",
    "View",
    "Wish",
    "Written",
    "answers_for",
    "current_values",
    "map_of",
    "preview",
]
