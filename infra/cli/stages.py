"""`qala bridge` and `qala sink`: one stage in the foreground, as many copies as wanted."""
# ruff: noqa: PLC0415 - each command imports its stage when it runs, so that help comes at once

from __future__ import annotations

import re
import socket
from typing import Annotated, Final

import typer

from infra.cli.options import Clock, Data

sink = typer.Typer(
    help="Write results to where they are used.", no_args_is_help=True, rich_markup_mode="markdown"
)


_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def _identity(text: str | None) -> str | None:
    """Refuse what can't be a bridge's id, as wrong usage."""
    if text is not None and _ID.fullmatch(text) is None:
        raise typer.BadParameter(
            f"'{text}' can't be a bridge's id; write 1 to 63 of a-z, 0-9 and -, beginning with a "
            "letter or digit, for example north"
        )
    return text


def bridge(
    *,
    identity: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="ID",
            callback=_identity,
            help="Name of this bridge's session at the broker; each copy needs its own, the same "
            "one at each start. Default: 1.",
        ),
    ] = None,
    leave: Annotated[
        bool,
        typer.Option(
            "--leave",
            help="End this bridge's session when it is stopped: for one that will not come back "
            "under this id.",
        ),
    ] = False,
    adopt: Annotated[
        str | None,
        typer.Option(
            "--adopt",
            metavar="ID",
            help="Bring what waits at the broker for a bridge that will not come back into Kafka, "
            "end its session, and stop. Not while that bridge lives.",
        ),
    ] = None,
    clock: Clock = None,
    data: Data = None,
) -> None:
    """Take readings from MQTT and put them into Kafka.

    Acknowledges a reading to the broker when it is in Kafka. Ctrl-C drains first, then stops.
    Bridges that are several share the messages. While one is away, the broker keeps its share
    waiting for it (up to 7 days), or everything where it was alone, also where other bridges run;
    `--leave` gives that up, and `--adopt` that of one that is gone.

    **Examples**

    - `qala bridge`
    - `qala bridge --id north` — a second bridge beside the first; they share the work
    - `qala bridge --id north --leave` — one for this afternoon only
    - `qala bridge --adopt north` — north's machine is gone; take over what waits for it
    - `qala bridge --clock now,60` — receive times run 60 times as fast
    """
    import ingest
    from infra.cli.host import process_name, refuse_adoption, refuse_second_bridge, run_stage
    from infra.settings import load_settings
    from ingest.persons import load_person_key
    from schemas.clock import parse_clock

    if adopt is not None and (identity is not None or leave):
        raise typer.BadParameter("--adopt names the bridge itself; leave --id and --leave out")
    settings = load_settings(data=data)
    chosen = settings.stage("bridge", id=adopt or identity, leave_on_stop=leave or None)
    (refuse_second_bridge if adopt is None else refuse_adoption)(settings.data, chosen.id)
    name = process_name(settings.data, "bridge")
    secret = settings.person.key
    run = ingest.run_bridge if adopt is None else ingest.run_adoption
    drained = run_stage(
        lambda readiness, registry, stop: run(
            chosen,
            mqtt=settings.mqtt,
            kafka=settings.kafka,
            clock=parse_clock(clock),
            key=load_person_key(secret.get_secret_value() if secret else None, settings.data),
            readiness=readiness,
            registry=registry,
            stop=stop,
        ),
        data=settings.data,
        stage="bridge",
        name=name,
        identity=chosen.id,
    )
    if drained is not None:
        from infra.words import counted

        typer.echo(
            f"bridge {chosen.id} is adopted: {counted(drained, 'message')} that waited for it came "
            "into Kafka, and the broker keeps nothing for it any more"
        )


@sink.command("influx")
def sink_influx(data: Data = None) -> None:
    """Write readings, windows, alerts and device states to InfluxDB.

    Commits its place in Kafka only when InfluxDB has answered; waits while it is away.

    **Example**

    - `QALA_INFLUX_URL=http://influx:8086 qala sink influx`
    """
    import sinks
    from infra.cli.host import process_name, run_stage
    from infra.settings import load_settings

    settings = load_settings(data=data)
    name = process_name(settings.data, "sink-influx")
    # copies on two machines have the same name there, and must not share a series
    chosen = settings.stage("sink.influx", instance=f"{name}.{socket.gethostname()}")
    run_stage(
        lambda readiness, registry, stop: sinks.run_influx_sink(
            chosen,
            kafka=settings.kafka,
            influx=settings.influx,
            readiness=readiness,
            registry=registry,
            stop=stop,
        ),
        data=settings.data,
        stage="sink-influx",
        name=name,
    )


@sink.command("chat")
def sink_chat(data: Data = None) -> None:
    """Tell firing and resolved alerts to the on-call chat.

    Without any URL they go to `chat/messages.ndjson` in the data folder, and to the screen.

    **Example**

    - `QALA_CHAT_URLS=slack://…,mailto://… qala sink chat`
    """
    import sinks
    from infra.cli.host import process_name, run_stage
    from infra.settings import load_settings

    settings = load_settings(data=data)
    name = process_name(settings.data, "sink-chat")
    chosen = settings.stage(
        "sink.chat", instance=name, urls=list(settings.chat.urls), folder=settings.data / "chat"
    )
    run_stage(
        lambda readiness, registry, stop: sinks.run_chat_sink(
            chosen, kafka=settings.kafka, readiness=readiness, registry=registry, stop=stop
        ),
        data=settings.data,
        stage="sink-chat",
        name=name,
    )
