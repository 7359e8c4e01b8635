"""Commands that bring the boards to people: as files for Grafana, over its API, as pages."""
# ruff: noqa: PLC0415 - each command imports what it needs when it runs, so that help comes at once

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from infra.cli.options import Data, Json

dashboards = typer.Typer(
    help="Boards: into Grafana, or as pages to look at.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

_RANGE: Final = re.compile(r"(\d{1,4})([mhd])")
_UNITS_S: Final = {"m": 60, "h": 3600, "d": 86_400}
_MOMENTS: Final = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S"]


@dashboards.command("build")
def build(
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder to write; made where missing.")
    ] = Path("grafana"),
    provisioning: Annotated[
        str,
        typer.Option(
            "--provisioning",
            metavar="DIR",
            help="Where Grafana will find that folder: its provisioning folder.",
        ),
    ] = "/etc/grafana/provisioning",
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Write provisioning files for Grafana: boards, data source, alert rules on Qala itself.

    The folder as a whole is Grafana's provisioning folder: mount it there, or copy it. InfluxDB's
    address and database are those of the settings; its token is not written: where the settings
    have one, Grafana's environment must give `QALA_INFLUX_TOKEN`. Safe to repeat.

    **Examples**

    - `qala dashboards build`
    - `qala dashboards build --out /etc/grafana/provisioning`
    """
    from infra.cli.run_dashboards import build_files

    build_files(out, provisioning, data=data, as_json=as_json)


@dashboards.command("push")
def push(
    *,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="Grafana's address; default: QALA_GRAFANA_URL."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TOKEN",
            help="A service account's token, or user:password; better in QALA_GRAFANA_TOKEN, as "
            "others can see a command line.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask Grafana what it has; change nothing.")
    ] = False,
    keep_datasource: Annotated[
        bool,
        typer.Option(
            "--keep-datasource",
            help="Leave the data source `qala-influxdb` of that Grafana alone; it must be there.",
        ),
    ] = False,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Send folder, data source, boards and alert rules to a Grafana by its HTTP API.

    Everything has a fixed uid, so it is safe to repeat: what is there is replaced. InfluxDB's
    address is that of the settings, as Grafana will use it; its token is sent to Grafana, which
    keeps it encrypted.

    **Examples**

    - `QALA_GRAFANA_TOKEN=… qala dashboards push --url http://grafana:3000`
    - `qala dashboards push --dry-run --json`
    """
    from infra.cli.run_dashboards import push_parcel

    push_parcel(
        url=url, token=token, dry_run=dry_run, keep_datasource=keep_datasource, data=data,
        as_json=as_json,
    )  # fmt: skip


@dashboards.command("preview")
def preview(
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder to write; made where missing.")
    ] = Path("boards"),
    now: Annotated[
        datetime | None,
        typer.Option(
            "--now",
            metavar="TIME",
            formats=_MOMENTS,
            help="A past moment to look at, in ISO form (UTC unless it says so); default: now.",
        ),
    ] = None,
    span: Annotated[
        str, typer.Option("--range", metavar="SPAN", help="How far back: 30m, 6h, 7d.")
    ] = "6h",
    board: Annotated[
        list[str] | None,
        typer.Option("--board", metavar="UID", help="Only this board; may be repeated."),
    ] = None,
    site: Annotated[
        str,
        typer.Option("--site", metavar="PATTERN", help="Sites that get pages (a shell pattern)."),
    ] = "*",
    devices: Annotated[
        int,
        typer.Option(
            "--devices",
            metavar="N",
            min=0,
            help="How many devices get pages, at most: of each site in turn.",
        ),
    ] = 24,
    simulated: Annotated[
        bool,
        typer.Option(
            "--simulated", help="Say that the data are simulated, where they don't say so."
        ),
    ] = False,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Draw the boards as pages to look at, without Grafana: the same queries, the same rules.

    The pages need no network and link to one another: from the city to its sites to their
    devices. They are of one moment; draw them again for a later one.

    **Examples**

    - `qala dashboards preview`
    - `qala dashboards preview --board qala-city --range 7d --out city`
    """
    match = _RANGE.fullmatch(span)
    if match is None or int(match[1]) == 0:
        raise typer.BadParameter(f"'{span}' is not a range; write for example 30m, 6h or 7d")
    if now is not None and now.tzinfo is None:
        now = now.replace(tzinfo=UTC)
    from dashboards.preview import NoSuchBoardError, Wish
    from infra.cli.run_preview import run_preview

    wish = Wish(
        range_s=int(match[1]) * _UNITS_S[match[2]],
        now_ms=None if now is None else int(now.timestamp() * 1000),
        boards=tuple(board or ()),
        site=site,
        devices=devices,
        simulated=simulated,
    )
    try:
        run_preview(out, wish, data=data, as_json=as_json)
    except NoSuchBoardError as exc:
        raise typer.BadParameter(str(exc)) from exc
