"""`qala streams`: a worker in the foreground; its kept state reset, or compared with the log."""
# ruff: noqa: PLC0415 - each command imports its stage when it runs, so that help comes at once

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.options import Data, Json

streams = typer.Typer(rich_markup_mode="markdown")

Partitions = Annotated[
    list[int] | None,
    typer.Option(
        "--partition",
        metavar="N",
        min=0,
        help="Only this partition; may be given more than once. Default: all.",
    ),
]


@streams.callback(invoke_without_command=True)
def run(context: typer.Context, *, data: Data = None) -> None:
    """Compute windows, throughput, device states and alerts from the log.

    Without a command it is a worker, until Ctrl-C. Further copies share the partitions; one that
    is killed is replaced by the others. What a worker has to remember is kept in Kafka, and
    `reset` and `verify` are about that.

    **Examples**

    - `qala streams`
    - `QALA_RULES=rules/ qala streams` — with rules of your own
    - `qala streams verify` — is what is kept what the log says?
    """
    if context.invoked_subcommand is not None:
        context.obj = data
        return
    from infra.cli.host import process_name, run_stage
    from infra.devices_file import load_expected_devices
    from infra.settings import load_settings
    from streams import run_streams

    settings = load_settings(data=data)
    chosen = settings.stage(
        "streams",
        data=settings.data,
        rules=settings.rules,
        expected_devices=load_expected_devices(settings.devices),
    )
    run_stage(
        lambda readiness, registry, stop: run_streams(
            chosen, kafka=settings.kafka, readiness=readiness, registry=registry, stop=stop
        ),
        data=settings.data,
        stage="streams",
        name=process_name(settings.data, "streams"),
    )


@streams.command("reset")
def reset(
    context: typer.Context,
    *,
    partition: Partitions = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Drop what workers have kept, so that the next one rebuilds it from the log.

    For a worker that stopped with an error of its state: the topic was deleted and made again,
    or lost its end, or the state cannot be read. Stop every worker first; it refuses while one
    lives. Each partition is one of these:

    - **log whole**: everything is rebuilt exactly.
    - **log cut**: retention took the log's beginning; windows that began before it keep the rows
      that they have.
    - **log made anew**: open windows are given out as they are, so that a window over both logs
      is the sum of its rows. Throughput cannot be added up: a window over both logs ends up with
      the new log's part. A reading of the old log that is sent again counts again.
    - **unreadable**: what was open is lost where the log does not tell it again.

    Alerts that are on, and that the log does not tell again, are resolved; where any are on, the
    log is read for it. Doing it twice changes nothing.

    **Examples**

    - `qala streams reset` — says what it finds, and asks
    - `qala streams reset --partition 3 --yes`
    """
    from infra.cli.run_streams import run_reset

    run_reset(partition, yes=yes, as_json=as_json, data=data or context.obj)


@streams.command("verify")
def verify(
    context: typer.Context,
    *,
    partition: Partitions = None,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Rebuild what workers have kept from the log, and compare it value by value.

    Reads the telemetry topic from its beginning, with the rules and the expected devices that
    are set here; workers may run meanwhile. Exit code 1 where a value differs. An alert that
    began under other rules than today's may differ without being wrong.

    **Examples**

    - `qala streams verify`
    - `qala streams verify --partition 3 --json | jq '.[].first'`
    """
    from infra.cli.run_streams import run_verify

    run_verify(partition, as_json=as_json, data=data or context.obj)
