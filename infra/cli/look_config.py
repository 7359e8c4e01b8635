"""`qala config`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from rich.text import Text

from infra.cli.output import print_json, show, table
from infra.settings import load_settings
from infra.settings_sources import unknown_variables
from infra.settings_table import setting_rows


def show_config(*, data: Path | None, as_json: bool) -> None:
    """Print all settings, those set by somebody standing out."""
    rows = setting_rows(load_settings(data=data))
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    made = table("setting", "value", "from", "variable", drop=("variable",))
    for row in rows:
        is_set = row.source != "default"
        made.add_row(
            Text(row.name, style="bold" if is_set else ""),
            Text(row.value or "not set", style="" if row.value else "dim"),
            Text(row.source, style="green" if is_set else "dim"),
            Text(row.variable or "", style="dim"),
        )
    for name, meant in unknown_variables(os.environ).items():
        made.add_row(Text(name, style="yellow"), "", Text("no setting", style="yellow"), meant)
    show(made, "no settings")
