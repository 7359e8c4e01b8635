"""Asking everything at once, and judging what was seen."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, TypeVar
from urllib.parse import urlsplit

from msgspec.structs import replace

from infra.doctor.ask_influx import ask_influx
from infra.doctor.ask_kafka import KafkaSeen, ask_kafka
from infra.doctor.ask_machine import MachineSeen, ask_machine, broker_conf, is_here
from infra.doctor.ask_mqtt import BrokerSeen, ask_mqtt, ask_stored
from infra.doctor.ask_stages import StagesSeen, ask_stages
from infra.doctor.check_settings import chat_channels, check_settings
from infra.doctor.finding import Away, Finding, Findings, in_order
from infra.doctor.judge_bridges import absent_bridges, judge_bridges, waiting_messages
from infra.doctor.judge_clocks import judge_clocks
from infra.doctor.judge_influx import judge_influx
from infra.doctor.judge_kafka import judge_kafka
from infra.doctor.judge_machine import judge_machine
from infra.doctor.judge_mqtt import judge_mqtt
from infra.doctor.judge_stages import judge_stages
from infra.doctor.kafka_disk import kafka_disk
from infra.doctor.own_stack import with_stack
from infra.doctor.watch_log import LogWatched, watch_log
from infra.settings import Settings
from schemas.connections import KafkaConnection, MqttConnection
from sinks.errors import ChatUrlError

_PATIENCE_S: Final = 8.0
"""How long one server may take for all that is asked of it."""

_T = TypeVar("_T")


async def examine(
    settings: Settings, now_ms: Callable[[], int], environ: Mapping[str, str] = os.environ
) -> list[Finding]:
    """Everything that was found, by part, the gravest first.

    Takes under ten seconds; up to ten more where a bridge is away from a quiet broker, which
    tells how much it stores only every ten seconds.

    ``now_ms`` is the clock with which all others are compared, in ms since 1970.

    Raises:
        SettingsError: the settings of a stage can't be used.
    """
    data = settings.data.resolve()
    bridge = settings.stage("bridge")
    groups = _groups(settings)
    asked_stages = asyncio.create_task(_patiently("the data folder", ask_stages(data)))
    # long enough for a tick of each bridge, whenever its last one was
    watch_s = min(max(2.5 * bridge.tick_s, 1.0), _PATIENCE_S - 3)
    expiry_s = bridge.session_expiry_s
    broker, kafka, log, influx, machine, stages = await asyncio.gather(
        _patiently("the MQTT broker", ask_mqtt(settings.mqtt, session_expiry_s=expiry_s)),
        _patiently("Kafka", _kafka(settings, groups, asked_stages)),
        _log(settings.kafka, watch_s, now_ms),
        _patiently("InfluxDB", ask_influx(settings.influx, now_ms)),
        _patiently("this machine", ask_machine(data, environ)),
        asked_stages,
    )
    hosts = _hosts(settings)
    broker = with_stack(broker, data, "mosquitto", here=is_here(hosts["Mosquitto"]))
    kafka = with_stack(kafka, data, "kafka", here=is_here(hosts["Kafka"]))
    influx = with_stack(influx, data, "influxdb", here=is_here(hosts["InfluxDB"]))
    broker = await _with_queue(settings.mqtt, broker, log)
    conf = broker_conf(data, settings.mqtt)
    if isinstance(machine, Away):
        of_machine, synchronised = _unseen("machine", machine), None
    else:
        synchronised = machine.synchronised
        of_machine = judge_machine(
            _with_kafka(machine, kafka),
            min_free_mb=settings.min_free_mb,
            elsewhere=_elsewhere(settings, machine),
        )
    return in_order(
        [
            *check_settings(settings, environ, channels=_channels(stages)),
            *of_machine,
            *judge_mqtt(broker, conf, address=str(settings.mqtt), session_expiry_s=expiry_s),
            *judge_kafka(kafka, address=str(settings.kafka)),
            *judge_influx(influx, settings.influx),
            *judge_clocks(log, influx, synchronised=synchronised),
            *judge_bridges(broker, log),
            *(_unseen("stages", stages) if isinstance(stages, Away) else judge_stages(stages)),
        ]
    )


async def _kafka(
    settings: Settings, groups: list[str], stages: asyncio.Future[StagesSeen | Away]
) -> KafkaSeen | Away:
    """Kafka with ``groups``; where a chat sink runs here, with those of its channels instead.

    And then with those of channels that it does not serve.
    """
    channels = _channels(await asyncio.shield(stages))
    if channels is None:
        return await ask_kafka(settings.kafka, groups)
    family = settings.stage("sink.chat").group
    return await ask_kafka(settings.kafka, _groups(settings, channels), family=family)


def _channels(stages: StagesSeen | Away) -> frozenset[str] | None:
    """What the chat sinks that run here serve, None where none does or it is not known."""
    return None if isinstance(stages, Away) else stages.channels


def _groups(settings: Settings, channels: Collection[str] | None = None) -> list[str]:
    """In which groups the stages read; the chat sink has one for each of its ``channels``.

    Those are by default what the settings name.
    """
    # loads every messenger that Apprise knows
    from sinks.channel_stage import group_of  # noqa: PLC0415

    groups = [settings.stage(table).group for table in ("streams", "sink.influx")]
    try:
        names = sorted(channels or chat_channels(settings))
    except ChatUrlError:  # told with the settings
        return groups
    return groups + [group_of(settings.stage("sink.chat"), name) for name in names]


def _unseen(part: str, why: Away) -> list[Finding]:
    found = Findings(part)
    found.unknown(part, why.what, why.mend)
    return found.made


async def _with_queue(
    mqtt: MqttConnection, broker: BrokerSeen | Away, log: LogWatched | None
) -> BrokerSeen | Away:
    """The broker with what waits there, where a bridge is away and the broker hasn't told."""
    if isinstance(broker, Away) or log is None or "version" not in broker.sys:
        return broker
    if waiting_messages(broker.sys) is not None or not absent_bridges(broker, log):
        return broker
    return replace(broker, sys=broker.sys | await ask_stored(mqtt))


async def _patiently(server: str, asking: Awaitable[_T | Away]) -> _T | Away:
    """What was asked, or why it is not known: one part never takes the others down."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await asking
    except TimeoutError:
        return Away(
            f"{server} has not answered everything within {_PATIENCE_S:.0f} s",
            "see its log and its load; where it hangs, restart it",
            absent=True,
        )
    except Exception as exc:  # noqa: BLE001 - whatever a client raises at an odd server
        return Away(
            f"looking at {server} failed ({type(exc).__name__}: {exc})",
            "see whether its version is one that Qala is tested with (docs/securing.md)",
        )


async def _log(
    kafka: KafkaConnection, watch_s: float, now_ms: Callable[[], int]
) -> LogWatched | None:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await watch_log(kafka, watch_s=watch_s, now_ms=now_ms)
    except Exception:  # noqa: BLE001 - what is wrong is found where Kafka itself is asked
        return None


def _with_kafka(machine: MachineSeen, kafka: KafkaSeen | Away) -> MachineSeen:
    """The machine with Kafka's disk, where Kafka writes here and outside the data folder."""
    disk = None if isinstance(kafka, Away) else kafka_disk(kafka)
    if disk is None or "Kafka" in machine.disks or disk.folder.is_relative_to(machine.data):
        return machine
    return replace(machine, disks=machine.disks | {"Kafka": disk})


def _hosts(settings: Settings) -> dict[str, str]:
    """Of each server the host in its address, of several the first."""
    return {
        "Mosquitto": settings.mqtt.host,
        "Kafka": settings.kafka.bootstrap.split(",")[0].rpartition(":")[0].strip("[]"),
        "InfluxDB": urlsplit(settings.influx.url).hostname or "",
    }


def _elsewhere(settings: Settings, machine: MachineSeen) -> list[str]:
    """Servers that write elsewhere than into the data folder: by their addresses, and by it."""
    hosts = _hosts(settings)
    return [
        server
        for server, host in hosts.items()
        if not (is_here(host) and server in machine.servers)
    ]
