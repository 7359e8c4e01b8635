"""`qala simulate` and `qala verify`: a simulated city, and whether all of it has arrived."""
# ruff: noqa: PLC0415 - each command imports what it needs when it runs, so that help comes at once

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.options import Clock, Data, Json


def _ratio(text: str | None) -> str | None:
    """Refuse faults that can't be read, as wrong usage."""
    if text:
        from infra.simulator import parse_faults

        try:
            parse_faults(text)
        except ValueError as exc:
            raise typer.BadParameter(str(exc)) from exc
    return text


Faults = Annotated[
    str,
    typer.Option(
        "--faults",
        metavar="LIST",
        callback=_ratio,
        help="What goes wrong: `all`, or some of duplicates, disorder, late, malformed, "
        "wrong_clock, quirks, silent, reset, each with a share if wanted (`duplicates=1%`).",
    ),
]


def simulate(
    *,
    devices: Annotated[
        int, typer.Option("--devices", metavar="N", min=1, help="Devices of all kinds.")
    ] = 24,
    sites: Annotated[
        int, typer.Option("--sites", metavar="N", min=1, help="Sites they stand at.")
    ] = 4,
    rate: Annotated[
        float,
        typer.Option(
            "--rate", metavar="N", min=0, help="Readings a second; 0: as fast as possible."
        ),
    ] = 20.0,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", metavar="S", min=0.001, help="End after so many seconds."),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", metavar="N", min=0, help="End after so many distinct readings."),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="The same seed makes the same city.")
    ] = 1,
    faults: Faults = "none",
    batch: Annotated[
        int,
        typer.Option("--batch", metavar="N", min=1, max=1000, help="Readings in one MQTT message."),
    ] = 1,
    ledger: Annotated[
        Path | None,
        typer.Option(
            "--ledger", metavar="FILE", help="Note every message that the broker acknowledged."
        ),
    ] = None,
    clock: Clock = None,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Simulate a city of devices: cameras, thermometers, ionizers, speakers and desks.

    Everything it sends is simulated data; persons in it are made-up ids. Runs until Ctrl-C,
    or until --seconds or --count.

    **Examples**

    - `qala simulate --rate 500`
    - `qala simulate --count 100000 --rate 0 --faults all --ledger run.ndjson.gz`
    - `qala verify run.ndjson.gz` — compares that run with what is stored
    """
    from infra.cli.run_city import run_simulation
    from infra.simulator import SimulatorSettings, parse_faults

    settings = SimulatorSettings(
        devices=devices,
        sites=sites,
        rate=rate,
        seconds=seconds,
        count=count,
        seed=seed,
        faults=parse_faults(faults),
        batch=batch,
    )
    run_simulation(settings, ledger=ledger, clock=clock, data=data, as_json=as_json)


def verify(
    *,
    ledger: Annotated[Path, typer.Argument(metavar="LEDGER", help="File of `simulate --ledger`.")],
    settle: Annotated[
        float,
        typer.Option("--settle", metavar="S", min=0, help="Wait so long without a new row."),
    ] = 10.0,
    letters: Annotated[
        bool, typer.Option("--letters/--no-letters", help="Compare the dead letters, too.")
    ] = True,
    clock: Clock = None,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Compare what a simulated run sent with what is stored; exit code 1 where they differ.

    **Examples**

    - `qala verify run.ndjson.gz`
    - `qala verify run.ndjson.gz --json | jq .lost`
    """
    from infra.cli.run_city import run_verification

    run_verification(
        ledger, settle_s=settle, letters=letters, clock=clock, data=data, as_json=as_json
    )
