"""Drawing boards into HTML pages: values, tables, charts and the page around them.

Everything here is pure: plain data in, markup out. Charts are Bokeh's (docs/decisions/0007);
all else is HTML and CSS.
"""

from __future__ import annotations

from dashboards.draw.cells import Cell, Known, Lack, Missing, words
from dashboards.draw.html import Html, el, join, raw
from dashboards.draw.series import Line, Mark, with_gaps
from dashboards.draw.words import Said, age, moment, say, span

__all__ = [
    "Cell",
    "Html",
    "Known",
    "Lack",
    "Line",
    "Mark",
    "Missing",
    "Said",
    "age",
    "el",
    "join",
    "moment",
    "raw",
    "say",
    "span",
    "with_gaps",
    "words",
]
