"""All commands, gathered."""

from __future__ import annotations

from importlib import metadata
from typing import Annotated

import typer

from infra.cli.alerts import alerts
from infra.cli.city import simulate, verify
from infra.cli.dashboards import dashboards
from infra.cli.dlq import dlq
from infra.cli.doctor import doctor
from infra.cli.inspect import config, devices, rules
from infra.cli.run import provision, ps, servers, up
from infra.cli.stages import bridge, sink
from infra.cli.streams import streams

app = typer.Typer(
    name="qala",
    help="A city's telemetry: MQTT into Kafka, Faust over it, InfluxDB and on-call chat behind "
    "it.\n\n`qala up` starts everything on this machine; the other commands look into it, or run "
    "one part by itself. Settings: `qala config`.",
    rich_markup_mode="markdown",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(asked: bool) -> None:  # noqa: FBT001 - Typer's way to call it
    if asked:
        typer.echo(f"qala {metadata.version('qala')}")
        raise typer.Exit


@app.callback()
def _qala(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and end.", is_eager=True, callback=_version
        ),
    ] = False,
) -> None:
    del version  # its callback has ended the program where it was asked for


RUN = "Run everything"
STAGES = "Run one stage"
LOOK = "Look into it"
CITY = "Simulated city"
BOARDS = "Boards"

app.command("up", rich_help_panel=RUN)(up)
app.command("ps", rich_help_panel=RUN)(ps)
app.add_typer(servers, name="servers", rich_help_panel=RUN)
app.command("provision", rich_help_panel=RUN)(provision)
app.command("bridge", rich_help_panel=STAGES)(bridge)
app.add_typer(streams, name="streams", rich_help_panel=STAGES)
app.add_typer(sink, name="sink", rich_help_panel=STAGES)
app.command("simulate", rich_help_panel=CITY)(simulate)
app.command("verify", rich_help_panel=CITY)(verify)
app.command("doctor", rich_help_panel=LOOK)(doctor)
app.command("config", rich_help_panel=LOOK)(config)
app.add_typer(rules, name="rules", rich_help_panel=LOOK)
app.add_typer(devices, name="devices", rich_help_panel=LOOK)
app.add_typer(alerts, name="alerts", rich_help_panel=LOOK)
app.add_typer(dlq, name="dlq", rich_help_panel=LOOK)
app.add_typer(dashboards, name="dashboards", rich_help_panel=BOARDS)
