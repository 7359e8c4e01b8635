"""Putting Bokeh's figures into a page: an element for each, and one script that fills them."""

from __future__ import annotations

from collections.abc import Mapping

from bokeh.embed import components
from bokeh.plotting import figure

from dashboards.draw.figures import THEME
from dashboards.draw.html import Html, raw


def embed(figures: Mapping[str, figure]) -> tuple[Html | None, dict[str, Html]]:
    """The script and each figure's element, by its name; None where there are no figures."""
    if not figures:
        return None, {}
    # its types know one model or a list; a dictionary is documented, and gives one back
    script, elements = components(dict(figures), theme=THEME)
    return raw(script), {name: raw(element) for name, element in elements.items()}
