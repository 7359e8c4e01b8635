from __future__ import annotations

from pathlib import Path

from dashboards.draw import el
from dashboards.draw.panels import Place
from infra.pictures import height_px, pictured


def test_the_site_with_most_to_show_stands_for_all_sites(tmp_path: Path) -> None:
    for name, size in (("city", 5), ("site.stop-1", 10), ("site.stop-2", 20)):
        (tmp_path / f"qala-{name}.html").write_text("x" * size)
    assert [(page.name, picture) for page, picture in pictured(tmp_path)] == [
        ("qala-city.html", "board-city.png"),
        ("qala-site.stop-2.html", "board-site.png"),
    ]


def test_a_picture_is_as_high_as_the_lowest_panel_ends(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    places = [Place(0, 0, 24, 3), Place(12, 3, 12, 8), Place(0, 3, 12, 2)]
    page.write_text("".join(el("section", style=place.style) for place in places))
    short = tmp_path / "short.html"
    short.write_text(el("section", style=places[0].style))
    assert height_px(page) - height_px(short) == 8 * 38
