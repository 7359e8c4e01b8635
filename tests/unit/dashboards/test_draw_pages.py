from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from importlib.resources import files

import pytest

from dashboards.draw import Known, Line, Mark, Missing, el, join, raw, say
from dashboards.draw.cells import in_table, tile, words
from dashboards.draw.charts import state_timeline, time_series
from dashboards.draw.embed import embed
from dashboards.draw.figures import Times
from dashboards.draw.page import Badge, Frame, Link, page
from dashboards.draw.palette import COLOURS, HATCHES, SIGNS, SOFT, series_colour
from dashboards.draw.panels import GAP_PX, ROW_PX, Panel, Place, line_legend, told_of
from dashboards.draw.prose import prose
from dashboards.draw.series import Beside
from dashboards.draw.tables import Column, table
from dashboards.model import Step, Word

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&"
FRAME = Frame(
    title="Thermometers",
    about="All of them.",
    boards=[Link("Thermometers", "t.html", here=True)],
    path=[],
    links=[],
    badges=[Badge("Worker live: last tick now", live=True)],
    range_words="last 6 h",
    drawn_words="1 Jan 2026 00:00:00",
)


def test_text_and_attributes_are_escaped_and_elements_are_not():
    made = el("p", HOSTILE, el("b", "bold"), title=HOSTILE, hidden=True, id=None)
    assert "<img" not in made
    assert "<b>bold</b>" in made
    assert "onerror=alert(1)&gt;&quot;&#x27;&amp;" in made.split(">")[0]
    assert " hidden" in made
    assert "id=" not in made


def test_join_keeps_markup_and_escapes_text():
    assert join(raw("<i></i>"), "<", None) == "<i></i>&lt;"


def test_unknown_and_no_data_look_neither_like_each_other_nor_like_a_value():
    unknown, nothing, known = (
        tile(cell) for cell in (Missing("unknown"), Missing("no data"), Known(say(21, "°C")))
    )
    assert 'data-lack="unknown"' in unknown
    assert 'data-lack="no data"' in nothing
    assert "data-lack" not in known
    assert "digits" not in unknown + nothing


def test_colour_of_a_value_comes_with_a_sign():
    assert SIGNS["critical"] in tile(Known(say(140, "µg/m³"), "critical"))
    assert "12 s ago" in in_table(Known(say(140, "µg/m³"), "critical", 12), right=True)


def test_meanings_differ_by_sign_and_hatch_and_not_by_colour_alone():
    meant = ("good", "notice", "bad", "critical")
    assert len({SIGNS[colour] for colour in meant}) == len(meant)
    assert len({HATCHES[colour] for colour in meant}) == len(meant)


def test_style_and_palette_have_the_same_colours():
    style = files("dashboards.draw").joinpath("style.css").read_text(encoding="utf-8")
    assert {name: re.search(rf"--{name}: (#\w+)", style)[1] for name in COLOURS} == dict(COLOURS)
    assert f"--row: {ROW_PX}px; --gap: {GAP_PX}px" in style


def test_cell_with_an_address_is_a_link():
    assert in_table(words("stop-1", href="a.html"), right=False) == (
        '<td><a href="a.html">stop-1</a></td>'
    )


def test_table_without_rows_says_so():
    assert "<table" not in table([Column("Site")], [], caption="Sites", empty="no data")
    assert "no data" in table([Column("Site")], [], caption="Sites", empty="no data")


def test_panel_says_its_description_to_screen_readers_too():
    made = Panel("Ozone", "Mean of 10 s.", Place(12, 3, 6, 5)).around("body")
    assert made.count("Mean of 10 s.") == 2
    assert "grid-area:4/13/span 5/span 6" in made


def test_prose_knows_bold_code_and_lists_and_no_html():
    made = prose(f"**Bold** and `code`\n\n- one\n- two {HOSTILE}")
    assert "<strong>Bold</strong> and <code>code</code>" in made
    assert made.count("<li>") == 2
    assert "<img" not in made


def test_chart_tells_in_words_what_it_shows():
    line = Line("stop-1", [0, 1], [40.0, 120.0], "µg/m³")
    told = told_of("Ozone", [line]).replace("\u202f", " ")
    assert told == "Ozone. stop-1: 40 µg/m³ to 120 µg/m³"
    assert told_of("Ozone", []) == "Ozone. No data"


def thin(line: Line) -> Line:
    return replace(line, label=f"highest · {line.label}", beside=Beside(line.label, "highest"))


def test_legend_names_what_is_beside_several_lines_once():
    one, other = (Line(name, [0, 1], [1.0, 2.0]) for name in "ab")
    several = line_legend([one, other, thin(one), thin(other)])
    assert re.findall(r"</i>([^<]+)</li>", several) == ["a", "b", "highest"]
    assert f"1px solid {SOFT}" in several
    alone = line_legend([one, thin(one)])
    assert f"1px solid {series_colour(0)}" in alone


def test_line_beside_another_is_thinner_and_of_its_colour():
    one, other = (Line(name, [0, 1], [1.0, 2.0]) for name in "ab")
    plot = time_series(Times(0, 1), [one, other, thin(other)], step_ms=1)
    drawn = {each.name: each.glyph for each in plot.renderers}
    assert drawn["highest · b"].line_color == drawn["b"].line_color != drawn["a"].line_color
    assert drawn["highest · b"].line_width < drawn["b"].line_width


@pytest.mark.parametrize("style", ["lines", "bars"])
@pytest.mark.parametrize("stack", [False, True])
def test_hostile_names_stay_text_in_a_page_with_charts(style, stack):
    times = Times(0, 3_600_000)
    line = Line(HOSTILE, [0, 60_000, 120_000], [1.0, None, 3.0])
    script, drawn = embed(
        {
            "a": time_series(
                times,
                [line],
                step_ms=60_000,
                style=style,
                stack=stack,
                limits=[Step(None, "good"), Step(2.0, "bad")],
                marks=[Mark(60_000, HOSTILE)],
            ),
            "b": state_timeline(
                times, [line], [Word(1, HOSTILE, "good")], holds_ms=60_000, until_ms=90_000
            ),
        }
    )
    text = page(replace(FRAME, title=HOSTILE), list(drawn.values()), script)
    assert set(drawn) == {"a", "b"}
    assert "<img src=x" not in text


def test_page_may_load_nothing_and_names_no_address_to_load_from():
    times = Times(0, 3_600_000)
    line = Line("a", [0, 60_000], [1.0, 3.0])
    script, drawn = embed({"a": time_series(times, [line], step_ms=60_000)})
    text = page(FRAME, list(drawn.values()), script)
    assert unescape(text).count("default-src 'none'") == 1
    markup = re.sub(r"(<script[^>]*>).*?</script>", r"\1", text, flags=re.DOTALL)
    assert not re.search(r"<(link|iframe|object|embed|img)\b", markup)
    assert not re.search(r"\ssrc=|https?:", markup)
    assert not re.search(
        r"@import|url\(", files("dashboards.draw").joinpath("style.css").read_text()
    )


def test_page_without_charts_leaves_the_library_out():
    assert len(page(FRAME, [el("p", "text")], None)) < 20_000


def test_simulated_data_are_called_so_at_the_top_of_the_page():
    text = page(replace(FRAME, simulated="SIMULATED DATA"), [], None)
    assert text.index("SIMULATED DATA") < text.index("<h1>")


def test_page_that_is_not_live_says_so_in_words():
    badge = Badge("Worker UNKNOWN: no tick for 34 s", live=False)
    text = page(replace(FRAME, badges=[badge]), [], None)
    assert 'data-live="no">Worker UNKNOWN: no tick for 34 s<' in text
