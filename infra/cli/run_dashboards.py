"""What `qala dashboards build` and `qala dashboards push` do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Final

import typer
from pydantic import ValidationError
from rich.text import Text

from dashboards.deliver import Parcel, provisioning_files, push, write_files
from dashboards.limits import read_limits, shipped_rules
from dashboards.publish import documents
from infra.cli.output import console, print_json, show, table
from infra.settings import Settings, load_settings
from schemas.connections import GrafanaConnection

_STYLES: Final = {
    "made": "green",
    "changed": "green",
    "replaced": "green",
    "removed": "yellow",
    "left": "yellow",
    "unchanged": "dim",
}
_LEFT: Final = "left as it is, provisioned from a file or kept"


def build_files(out: Path, provisioning: str, *, data: Path | None, as_json: bool) -> None:
    """Write the provisioning files into ``out`` and print what became of each.

    Raises:
        DeliverError: ``out`` can't be written, or InfluxDB's certificate authority not read.
        LimitError: the rules can't be read.
    """
    if not PurePosixPath(provisioning).is_absolute():
        raise typer.BadParameter(
            f"'{provisioning}' is not an absolute path; write where Grafana finds the folder, for "
            "example /etc/grafana/provisioning"
        )
    parcel = _parcel(load_settings(data=data))
    written = write_files(provisioning_files(parcel, PurePosixPath(provisioning)), out)
    if as_json:
        print_json(
            [{"file": str(done.path), "action": done.action, "what": done.what} for done in written]
        )
        return
    made = table("file", "", "what")
    for done in written:
        made.add_row(str(done.path), _action(done.action), Text(done.what, style="dim"))
    show(made, "nothing to write")
    console().print(
        Text(f"\nGrafana finds it as {provisioning}; start Grafana again to read it.", style="dim")
    )


def push_parcel(
    *,
    url: str | None,
    token: str | None,
    dry_run: bool,
    keep_datasource: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Send everything, printing each step as it is done.

    Raises:
        GrafanaError: Grafana doesn't answer or refuses.
        DeliverError: InfluxDB's certificate authority can't be read.
        LimitError: the rules can't be read.
    """
    settings = load_settings(data=data)
    connection = _connection(settings, url, token)
    steps = push(connection, _parcel(settings), dry_run=dry_run, keep_datasource=keep_datasource)
    if as_json:
        print_json([step._asdict() for step in steps])
        return
    out = console()
    counts: Counter[str] = Counter()
    for step in steps:  # one line at a time: what is done stays told when a later step fails
        counts[step.action] += 1
        out.print(Text.assemble(_action(f"{step.action:<10}"), f"{step.kind}: {step.name}"))
    told = ", ".join(
        f"{count} {_LEFT if action == 'left' else action}" for action, count in counts.items()
    )
    out.print(Text(f"\n{connection}: {'would be: ' if dry_run else ''}{told}", style="dim"))


def _parcel(settings: Settings) -> Parcel:
    """The boards with the limits of the rules in force, and the InfluxDB of the settings."""
    limits = read_limits(settings.rules or shipped_rules())
    return Parcel(texts=documents(limits), influx=settings.influx)


def _connection(settings: Settings, url: str | None, token: str | None) -> GrafanaConnection:
    """The settings' Grafana, with what the command line gives instead."""
    given = settings.grafana
    try:
        return GrafanaConnection.model_validate(
            {
                "url": given.url if url is None else url,
                "token": given.token.get_secret_value() if token is None else token,
            }
        )
    except ValidationError as exc:
        said = exc.errors(include_input=False, include_url=False)[0]["msg"]
        raise typer.BadParameter(said.removeprefix("Value error, ")) from exc


def _action(action: str) -> Text:
    return Text(action, style=_STYLES.get(action.strip(), ""))
