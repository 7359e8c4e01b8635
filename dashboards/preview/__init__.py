"""Boards without Grafana: the same definitions and queries, drawn into HTML pages."""

from __future__ import annotations

from dashboards.preview.ask import Asker
from dashboards.preview.current import CurrentValue, current_values
from dashboards.preview.draw import Wish, Written, answers_for, preview
from dashboards.preview.errors import AskError, NoSuchBoardError, PreviewError
from dashboards.preview.view import Answers, View
from schemas.influxql import Series

__all__ = [
    "Answers",
    "AskError",
    "Asker",
    "CurrentValue",
    "NoSuchBoardError",
    "PreviewError",
    "Series",
    "View",
    "Wish",
    "Written",
    "answers_for",
    "current_values",
    "preview",
]
