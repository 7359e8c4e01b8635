"""Pictures of drawn boards, for the documentation: ``python -m infra.pictures PAGES PICTURES``.

``PAGES`` is a folder of `qala dashboards preview`. A headless Chromium takes a picture of each
kind of board, as high as its page is: the site and the device with most to show stand for all.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from PIL import Image

from dashboards.draw.panels import GAP_PX, ROW_PX

WIDTH_PX: Final = 1360
_AROUND_PX: Final = 190
_COLOURS: Final = 256
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_AREA: Final = re.compile(r"grid-area:(\d+)/\d+/span (\d+)")
_OFFLINE: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=10000",
)


def pictured(pages: Path) -> Iterator[tuple[Path, str]]:
    """Each page that is pictured, with its picture's name; of a board with many, the largest."""
    by_board: dict[str, list[Path]] = {}
    for page in sorted(pages.glob("qala-*.html")):
        by_board.setdefault(page.name.split(".")[0], []).append(page)
    for board, several in by_board.items():
        largest = max(several, key=lambda page: page.stat().st_size)
        yield largest, f"board-{board.removeprefix('qala-')}.png"


def height_px(page: Path) -> int:
    """How high a page is at `WIDTH_PX`, by the places of its panels."""
    areas = _AREA.findall(page.read_text(encoding="utf-8"))
    rows = max((int(row) - 1 + int(span) for row, span in areas), default=0)
    return _AROUND_PX + rows * (ROW_PX + GAP_PX)


def take(browser: str, page: Path, picture: Path) -> None:
    """Have the browser draw a page into a PNG file.

    Raises:
        subprocess.CalledProcessError: the browser failed.
    """
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                browser,
                *_OFFLINE,
                f"--user-data-dir={profile}",
                f"--window-size={WIDTH_PX},{height_px(page)}",
                f"--screenshot={picture.resolve()}",
                page.resolve().as_uri(),
            ],
            check=True,
            capture_output=True,
        )
    # the browser packs in haste; 256 colours are enough for pages as flat as these
    with Image.open(picture) as drawn:
        few = drawn.convert("RGB").quantize(
            _COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
        )
        few.save(picture, optimize=True)


def main(pages: Path, pictures: Path) -> None:
    """Take all pictures and say so."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        sys.exit("there is no Chromium here to draw pages with; apt-get install chromium")
    pictures.mkdir(parents=True, exist_ok=True)
    for page, name in pictured(pages):
        take(browser, page, pictures / name)
        size_kb = (pictures / name).stat().st_size // 1000
        sys.stdout.write(f"{pictures / name}  {size_kb} kB\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
