"""`qala up`, `ps`, `servers` and `provision`."""
# ruff: noqa: PLC0415 - each command imports what it needs when it runs, so that help comes at once

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.city import Faults
from infra.cli.options import Clock, Data, Devices, Json, Sites

servers = typer.Typer(
    help="Only the servers: Mosquitto, Kafka and InfluxDB.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

_MAX_OFFSET = 65_535 - 9092
PortOffset = Annotated[
    int,
    typer.Option(
        "--port-offset",
        metavar="N",
        min=0,
        max=_MAX_OFFSET,
        help="Added to the ports of MQTT (1883), Kafka (9092) and InfluxDB (8086).",
    ),
]


def up(
    *,
    simulator: Annotated[
        bool, typer.Option("--simulator/--no-simulator", help="Run a simulated city, too.")
    ] = True,
    data: Data = None,
    port_offset: PortOffset = 0,
    clock: Clock = None,
    bridges: Annotated[
        int,
        typer.Option(
            "--bridges",
            metavar="N",
            min=1,
            max=64,
            help="Bridges. When stopped, the first keeps its share of messages waiting at the "
            "broker; the others end their sessions (`qala bridge --leave`).",
        ),
    ] = 1,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=1, max=64, help="Stream workers.")
    ] = 1,
    devices: Devices = 30,
    sites: Sites = 6,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            metavar="N",
            min=0,
            help="Readings a second of the simulated city; without it each device speaks at its "
            "own pace.",
        ),
    ] = None,
    faults: Faults = "none",
    picture: Annotated[
        Path | None,
        typer.Option("--picture", metavar="FILE", hidden=True, help="Keep the screen as an SVG."),
    ] = None,
) -> None:
    """Start everything on this machine, and keep it running until Ctrl-C.

    Starts the servers, provisions them, starts every stage, waits until all are ready, prints
    the addresses and shows live figures. What ends is started again. One Ctrl-C (or SIGTERM)
    stops everything in order; a second one at once. Everything listens on loopback only.

    **Examples**

    - `qala up` — with a simulated city: a school, bus stops, streets and an iQala centre
    - `qala up --devices 100 --sites 8 --rate 500` — with more to do
    - `qala up --no-simulator` — for devices of your own
    - `qala up --port-offset 1000 --data .qala-second` — a second one beside the first
    - `qala up --clock now,60 --faults all` — a simulated clock, and all that goes wrong in a city
    """
    from infra.cli.run_stack import run_stack
    from infra.supervisor.plan import City

    city = City(devices=devices, sites=sites, rate=rate, faults=faults) if simulator else None
    run_stack(
        data=data,
        port_offset=port_offset,
        clock=clock,
        bridges=bridges,
        workers=workers,
        city=city,
        picture=picture,
    )


def ps(*, data: Data = None, as_json: Json = False) -> None:
    """Print what runs: every server and stage, its state and key figures.

    Also shows stages that were started by hand on this data folder.

    **Examples**

    - `qala ps`
    - `qala ps --json | jq '.[] | select(.state != "ready")'`
    """
    from infra.cli.look_processes import list_processes

    list_processes(data=data, as_json=as_json)


@servers.command("up")
def servers_up(*, data: Data = None, port_offset: PortOffset = 0) -> None:
    """Start the servers, provision them, and keep them running until Ctrl-C.

    **Example**

    - `qala servers up --port-offset 1000`
    """
    from infra.cli.run_stack import run_stack

    run_stack(data=data, port_offset=port_offset, servers_only=True)


@servers.command("down")
def servers_down(data: Data = None) -> None:
    """Stop what runs on the data folder, in order; also what a killed `qala up` left behind.

    **Example**

    - `qala servers down --data .qala-second`
    """
    from infra.cli.run_stack import stop_stack

    stop_stack(data=data)


def provision(
    *,
    partitions: Annotated[
        int | None,
        typer.Option(
            "--partitions",
            metavar="N",
            min=1,
            max=1024,
            help="Counts the first time only, and for ever.",
        ),
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option(
            "--tokens",
            metavar="DIR",
            help="Also make tokens of InfluxDB 2.x that may read and write (sink/token) or only "
            "read (reader/token), in this folder.",
        ),
    ] = None,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Make the topics, the database and its retention; safe to repeat.

    **Example**

    - `QALA_KAFKA_BOOTSTRAP=kafka:9092 qala provision --partitions 16`
    """
    from infra.cli.run_stack import run_provision

    run_provision(partitions, tokens, data=data, as_json=as_json)
