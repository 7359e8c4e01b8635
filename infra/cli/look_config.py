"""`qala config`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.text import Text

from infra.cli.output import print_json, show, table
from infra.settings import Settings, load_settings
from infra.settings_sources import unknown_variables
from infra.settings_table import SettingRow, setting_rows
from ingest.errors import PersonKeyError
from ingest.persons import PersonKey


def show_config(*, data: Path | None, as_json: bool) -> None:
    """Print all settings, those set by somebody standing out.

    Raises:
        PersonKeyError: the key of persons is one that every bridge refuses.
    """
    settings = load_settings(data=data)
    refused = _refused_key(settings)
    rows = setting_rows(settings)
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        _show(rows, key_refused=refused is not None)
    if refused is not None:
        raise refused


def _refused_key(settings: Settings) -> PersonKeyError | None:
    """Why bridges would not start with the key that is set, None where they would."""
    secret = settings.person.key
    if secret is None:
        return None
    try:
        PersonKey(secret.get_secret_value())
    except PersonKeyError as exc:
        return exc
    return None


def _show(rows: Sequence[SettingRow], *, key_refused: bool) -> None:
    made = table("setting", "value", "from", "variable", drop=("variable",))
    for row in rows:
        is_set = row.source != "default"
        if key_refused and row.name == "person.key":
            value = Text(f"{row.value}  refused: too weak", style="bold red")
        else:
            value = Text(row.value or "not set", style="" if row.value else "dim")
        made.add_row(
            Text(row.name, style="bold" if is_set else ""),
            value,
            Text(row.source, style="green" if is_set else "dim"),
            Text(row.variable or "", style="dim"),
        )
    for name, meant in unknown_variables(os.environ).items():
        made.add_row(Text(name, style="yellow"), "", Text("no setting", style="yellow"), meant)
    show(made, "no settings")
