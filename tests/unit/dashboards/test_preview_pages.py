"""The pages that the preview draws: their frame, their links, and all panels in them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from dashboards.model import placed
from dashboards.preview.fit import fitted
from dashboards.preview.frame import Simulated, badges, frame_of
from dashboards.preview.pages import Map, Page, in_turns
from dashboards.preview.render import panels_of
from schemas.influxql import Series
from tests.support.preview_boards import (
    CITY,
    DEVICE,
    FULL,
    HISTORY,
    NOW_MS,
    PAGES,
    PLACE,
    SITE,
    STOP,
    TABLE,
    answers,
    rows,
)


@pytest.mark.parametrize(
    "live, ago_s, said",
    [
        (1.0, 2, "Worker live: last tick 2 s ago"),
        (0, 34, "Worker UNKNOWN: no tick for 34 s"),
        (0.875, 1, "Worker UNKNOWN: only 87.5 % of the partitions tick"),
        (0, -1, "Worker UNKNOWN: no tick yet"),
    ],
)
def test_a_badge_says_whether_the_worker_is_live_and_since_when_not(live, ago_s, said) -> None:
    (badge,) = badges(CITY, answers({}, live=live, ago_s=ago_s))
    assert badge.words.replace("\u202f", " ") == said
    assert badge.live == (live == 1.0)


def test_the_way_back_leads_from_a_device_over_its_site_to_the_city() -> None:
    page = PAGES.pages[2]
    board = replace(
        DEVICE, variables=(replace(SITE, many=False), replace(SITE, name="device", many=False))
    )
    device = Page(board=board, chosen=page.chosen)
    frame = frame_of(device, PAGES, answers({}), simulated=Simulated(3, 3))
    assert [(link.words, link.href) for link in frame.path] == [
        ("City", "city.html"),
        ("stop-1", "site.stop-1.html"),
    ]
    assert [link.words for link in frame.links] == ["City"]
    assert "SIMULATED" in (frame.simulated or "")


def test_nothing_is_called_real_or_unreal_that_is_not() -> None:
    assert Simulated(1, 400).words == "CONTAINS SIMULATED DATA · 1 of 400 devices"
    assert Simulated(0, 400).words == Simulated(0, 0).words == "CONTAINS SIMULATED DATA"
    assert "no device, person or place here is real" in Simulated(400, 400).words
    assert frame_of(PAGES.pages[0], PAGES, answers({}), simulated=None).simulated is None


def test_links_lead_to_pages_that_are_drawn_and_to_no_others() -> None:
    assert PAGES.href("site", {"site": "stop-1"}) == "site.stop-1.html"
    assert PAGES.href("site", {"site": "gate-1"}) is None
    assert PAGES.href("city", {"site": "stop-1"}) == "city.html"
    assert PAGES.href("moon", {}) is None
    assert PAGES.about({"site": "stop-1"}) == "site.stop-1.html"


def test_each_site_has_a_page_of_a_device_before_any_has_two() -> None:
    named = [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("c", "1"), ("c", "2")]
    pages = [Page(board=DEVICE, chosen={"site": site, "device": name}) for site, name in named]
    turns = ["".join(page.chosen.values()) for page in in_turns(pages)]
    assert turns == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_page_of_a_site_says_that_devices_of_it_have_no_page() -> None:
    left_out = [Page(board=DEVICE, chosen={"site": "stop-1", "device": "ion-2"})]
    pages = Map(PAGES.pages, left_out)
    city, site, device = (
        frame_of(page, pages, answers({}), simulated=None) for page in pages.pages
    )
    assert site.about == "One. 1 device has no page: --devices 2 draws all."
    assert (city.about, device.about) == ("All.", "One.")
    whole = frame_of(PAGES.pages[1], PAGES, answers({}), simulated=None)
    assert whole.about == "One."


@pytest.mark.parametrize("name", ["../up", "a/b", "a.b", ".", "é <x>"])
def test_a_strange_name_makes_a_file_in_the_same_folder(name: str) -> None:
    page = Page(board=PLACE, chosen={"site": name})
    assert re.fullmatch(r"site\.[A-Za-z0-9%_~-]+\.html", page.name)


def test_a_whole_page_has_all_panels_with_values_and_links() -> None:
    tick = NOW_MS - 60_000
    found = FULL | {
        "ozone_history": [rows(STOP, (tick, 1.0))],
        "share_history": [rows(STOP, (tick, 0.5))],
        "states": [rows(STOP, (tick, 3))],
        "events": [Series({}, ("time", "state"), [[tick, "firing"]])],
    }
    script, panels = panels_of(PAGES.pages[0], PAGES, answers(found))
    text = "".join(panels)
    assert script is not None
    assert text.count("<section") == len(CITY.panels)
    assert 'href="device.stop-1.ion-1.html"' in text
    assert "device.gate-1.cam-1.html" not in text  # that page isn't drawn
    assert 'href="site.stop-1.html"' in text
    assert "1 min ago" in text
    assert text.count('class="plot"') == 3  # two units are two charts
    assert "<strong>Hi</strong>" in text


def test_a_page_of_nothing_says_so_in_every_panel() -> None:
    script, panels = panels_of(PAGES.pages[0], PAGES, answers({}))
    text = "".join(panels)
    assert script is None
    assert text.count("no data in this range") == 2
    assert 'data-lack="no data"' in text
    assert "nothing in this range" in text


def test_panels_are_as_high_as_what_is_in_them_and_never_overlap() -> None:
    found = list(fitted(CITY, answers(FULL)))
    for spot, given in zip(found, placed(CITY), strict=True):
        assert spot.panel == given.panel
        assert spot.height <= given.height
    heights = {spot.panel.title: spot.height for spot in found if spot.panel}
    assert heights[TABLE.title] < TABLE.height
    assert heights[HISTORY.title] == HISTORY.height
    taken = [
        (x, y)
        for spot in found
        for x in range(spot.x, spot.x + spot.width)
        for y in range(spot.y, spot.y + spot.height)
    ]
    assert len(taken) == len(set(taken))
