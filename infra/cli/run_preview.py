"""What `qala dashboards preview` does."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.text import Text

from dashboards.boards import build_all
from dashboards.limits import read_limits, shipped_rules
from dashboards.preview import Asker, Map, Wish, Written, map_of, preview
from infra.cli.output import console, print_json, show, table
from infra.settings import Settings, load_settings
from infra.supervisor.records import read_processes, run_folder
from infra.words import bytes_words


def run_preview(out: Path, wish: Wish, *, data: Path | None, as_json: bool) -> None:
    """Draw the boards into ``out`` and print which page shows what.

    Raises:
        PreviewError: InfluxDB can't be asked, nothing has a page, or ``out`` can't be written.
        DashboardError: a rule file can't be read for its limits.
    """
    settings = load_settings(data=data)
    if _simulator_runs(settings):
        wish = replace(wish, simulated=True)
    pages, written = asyncio.run(_draw(settings, wish, out))
    left_out = _left_out(pages)
    if as_json:
        if left_out:
            sys.stderr.write(f"{left_out}\n")
        print_json(
            [{"file": str(page.file), "board": page.board, "title": page.title} for page in written]
        )
        return
    made = table("page", "size", "shows", right=("size",))
    for page in written:
        size = Text(bytes_words(page.file.stat().st_size), style="dim")
        made.add_row(str(page.file), size, page.title)
    show(made, "no page")
    if left_out:
        console().print(Text(f"\n{left_out}"))
    console().print(Text(f"\nopen {written[0].file} in a browser", style="dim"))


def _left_out(pages: Map) -> str:
    """What is said of devices without a page; nothing where each has one."""
    if not pages.left_out:
        return ""
    drawn = pages.devices - len(pages.left_out)
    return f"{pages.devices} devices, pages for {drawn}: `--devices {pages.devices}` draws all"


async def _draw(settings: Settings, wish: Wish, out: Path) -> tuple[Map, Sequence[Written]]:
    boards = build_all(read_limits(settings.rules or shipped_rules()))
    async with Asker(settings.influx) as asker:
        pages = await map_of(asker, boards, wish)
        return pages, [page async for page in preview(asker, pages, wish, out)]


def _simulator_runs(settings: Settings) -> bool:
    """Whether `qala up` on this data folder runs a simulated city."""
    records = read_processes(run_folder(settings.data))
    return any(record.name == "simulator" and record.alive() for record in records)
