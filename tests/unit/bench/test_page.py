"""Figures go into their own place of a page."""

from __future__ import annotations

import pytest

from tests.bench.page import fill


def test_figures_replace_those_of_the_last_time(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- core -->\nold\n<!-- /core -->\nafter\n")
    fill(page, "core", "new\n")
    fill(page, "core", "newer\n")
    assert page.read_text() == "before\n<!-- core -->\nnewer\n<!-- /core -->\nafter\n"


def test_a_page_without_the_place_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- core -->\n")
    with pytest.raises(ValueError, match="no place 'core'"):
        fill(page, "core", "new\n")
    assert page.read_text() == "<!-- core -->\n"
