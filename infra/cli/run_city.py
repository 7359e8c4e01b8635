"""What `qala simulate` and `qala verify` do."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from rich.text import Text

from infra.cli.host import process_name, run_stage
from infra.cli.output import console, print_json, show, table
from infra.errors import InfraError
from infra.ledger import LedgerWriter
from infra.settings import load_settings
from infra.settings_sources import PROCESS_NAME
from infra.simulator import SimulatorSettings, Summary, simulate
from infra.verify import verify
from infra.words import age_words, count_words
from ingest import MqttOptions, connect_mqtt
from schemas.clock import parse_clock
from schemas.connections import MqttConnection


class RunDiffersError(InfraError):
    """A simulated run didn't end as it should, or is not stored as it was sent."""


def run_simulation(
    settings: SimulatorSettings,
    *,
    ledger: Path | None,
    clock: str | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Run the city in the foreground and print its summary.

    Raises:
        MqttError: the broker can't be reached, or refuses the simulator.
        RunDiffersError: the broker didn't take everything.
    """
    chosen = load_settings(data=data)
    if not os.environ.get(PROCESS_NAME):  # one of `qala up` waits for the broker
        asyncio.run(_knock(chosen.mqtt, settings.lane_id(0)))
    summary = run_stage(
        lambda readiness, registry, stop: simulate(
            settings,
            mqtt=chosen.mqtt,
            clock=parse_clock(clock),
            ledger=LedgerWriter(ledger) if ledger else None,
            registry=registry,
            readiness=readiness,
            stop=stop,
        ),
        data=chosen.data,
        stage="simulator",
        name=process_name(chosen.data, "simulator"),
    )
    if as_json:
        print_json(summary.as_dict())
    else:
        _print(summary, ledger)
    if not summary.ok:
        raise RunDiffersError(
            f"the broker at {chosen.mqtt} did not take everything: {summary.refused} refused, "
            f"{summary.unacknowledged} unacknowledged; see its log"
        )


async def _knock(mqtt: MqttConnection, client_id: str) -> None:
    """See whether the broker lets us in, before a city is sent to it."""
    link = await connect_mqtt(mqtt, MqttOptions(client_id=client_id))
    await link.disconnect()


def _print(summary: Summary, ledger: Path | None) -> None:
    made = table("simulated run", "count", right=("count",))
    for words, value in (
        ("readings", summary.readings),
        ("messages", summary.messages),
        ("acknowledged", summary.acknowledged),
        ("duplicates", summary.duplicates),
        ("malformed", summary.malformed),
        ("statuses", summary.statuses),
        ("refused", summary.refused),
        ("unacknowledged", summary.unacknowledged),
        ("broken connections", summary.broken_connections),
    ):
        made.add_row(words, Text(count_words(value), style="" if value else "dim"))
    made.add_row("duration", age_words(summary.seconds))
    if summary.seconds > 0:
        made.add_row("readings/s", count_words(summary.readings / summary.seconds))
    out = console()
    out.print(f"SIMULATED DATA: {summary.city}")
    show(made, "nothing was sent")
    if ledger is not None:
        out.print(f"compare it with what is stored: qala verify {ledger}")


def run_verification(
    ledger: Path,
    *,
    settle_s: float,
    letters: bool,
    clock: str | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Compare and print.

    Raises:
        RunDiffersError: what is stored isn't what was sent.
    """
    chosen = load_settings(data=data)
    report = asyncio.run(
        verify(
            ledger,
            chosen.influx,
            chosen.kafka if letters else None,
            settle_s=settle_s,
            clock=parse_clock(clock),
        )
    )
    if as_json:
        print_json(report.as_dict())
    else:
        console().print(report.title())
        show(report.table(), "nothing was compared")
    if not report.ok:
        raise RunDiffersError(
            f"what is stored differs from {ledger}: {report.lost} lost, {report.differing} "
            f"differing, {report.missing_letters} dead letters missing, {report.unexpected} "
            "unexpected; `qala verify --json` names the first of each"
        )
