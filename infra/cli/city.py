"""`qala simulate` and `qala verify`: a simulated city, and whether all of it has arrived."""
# ruff: noqa: PLC0415 - each command imports what it needs when it runs, so that help comes at once

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from infra.cli.options import Clock, Data, Devices, Json, Sites

_DAYS: Final = 30.0
_TIMES: Final = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]
_PAST_FAULTS: Final = "duplicates=0.3%,late=0.2%,malformed=0.02%,wrong_clock=0.005%,quirks=0.1%"
"""What goes wrong in a simulated past: enough for boards of data quality, and no more."""


def _ratio(text: str | None) -> str | None:
    """Refuse faults that can't be read, as wrong usage."""
    if text:
        from infra.simulator import parse_faults

        try:
            parse_faults(text)
        except ValueError as exc:
            raise typer.BadParameter(str(exc)) from exc
    return text


_FAULTS_HELP: Final = (
    "What goes wrong: `all`, or some of duplicates, disorder, late, malformed, "
    "wrong_clock, quirks, silent, reset, each with a share if wanted (`duplicates=1%`)."
)
Faults = Annotated[
    str,
    typer.Option(
        "--faults",
        metavar="LIST",
        callback=_ratio,
        help=_FAULTS_HELP,
    ),
]


def simulate(
    *,
    devices: Devices = 30,
    sites: Sites = 6,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            metavar="N",
            min=0,
            help="Load: N readings a second by devices that take turns; 0: as fast as possible. "
            "Without it each device speaks at its own pace, as in a city.",
        ),
    ] = None,
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
    faults: Annotated[
        str | None,
        typer.Option(
            "--faults",
            metavar="LIST",
            callback=_ratio,
            help=f"{_FAULTS_HELP} Default: none; with --into-influx a few.",
        ),
    ] = None,
    batch: Annotated[
        int,
        typer.Option(
            "--batch", metavar="N", min=1, max=1000, help="Readings in one MQTT message (--rate)."
        ),
    ] = 1,
    ledger: Annotated[
        Path | None,
        typer.Option(
            "--ledger", metavar="FILE", help="Note every message that the broker acknowledged."
        ),
    ] = None,
    until_heard: Annotated[
        bool,
        typer.Option(
            "--until-heard",
            help="Send again what the broker took although nobody had subscribed to it (reason "
            "code 16), as it has thrown that away.",
        ),
    ] = False,
    into_influx: Annotated[
        bool,
        typer.Option(
            "--into-influx", help="Write a past (--days) straight into InfluxDB, without a broker."
        ),
    ] = False,
    days: Annotated[
        float,
        typer.Option("--days", metavar="N", min=0.01, max=400, help="How much past (default 30)."),
    ] = _DAYS,
    ending: Annotated[
        datetime | None,
        typer.Option(
            "--ending", metavar="TIME", formats=_TIMES, help="When the past ends, UTC; default now."
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Write a past, too, where readings of its sites are already."),
    ] = False,
    clock: Clock = None,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Simulate a city of devices: cameras, thermometers, ionizers, speakers and desks.

    Everything it sends is simulated data; persons in it are made-up ids. Runs until Ctrl-C,
    or until --seconds or --count.

    With --into-influx nothing is sent: the last --days of the city are written into InfluxDB
    as Qala would have stored them, windows, alerts and device states included, and end at
    --ending. For demonstrations and tests of boards.

    **Examples**

    - `qala simulate` — a school, bus stops, streets and an iQala centre, by their day
    - `qala simulate --rate 500 --devices 100`
    - `qala simulate --count 100000 --rate 0 --faults all --ledger run.ndjson.gz`
    - `qala verify run.ndjson.gz` — compares that run with what is stored
    - `QALA_INFLUX_DATABASE=demo qala simulate --into-influx --days 30`
    """
    from infra.simulator import SimulatorSettings, parse_faults

    past = {"--days": days != _DAYS, "--ending": ending is not None, "--force": force}
    live = {
        "--rate": rate is not None,
        "--seconds": seconds is not None,
        "--count": count is not None,
        "--batch": batch > 1,
        "--ledger": ledger is not None,
        "--until-heard": until_heard,
        "--clock": clock is not None,
    }
    for option, given in (live if into_influx else past).items():
        if given:
            goes = "can't go together with" if into_influx else "needs"
            raise typer.BadParameter(f"{option} {goes} --into-influx")
    if batch > 1 and rate is None:
        raise typer.BadParameter("--batch needs --rate: at their own pace devices send one by one")
    settings = SimulatorSettings(
        devices=devices,
        sites=sites,
        rate=rate,
        seconds=seconds,
        count=count,
        seed=seed,
        faults=parse_faults(faults or (_PAST_FAULTS if into_influx else "none")),
        batch=batch,
        until_heard=until_heard,
        connections=1,  # a broker may give one user one client id
    )
    if into_influx:
        from infra.cli.run_past import run_past

        run_past(settings, days=days, ending=ending, force=force, data=data, as_json=as_json)
    else:
        from infra.cli.run_city import run_simulation

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
