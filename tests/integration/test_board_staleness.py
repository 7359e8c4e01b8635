"""With one source cut at a time, no board shows a stale value as current.

A real stack, and the values that `qala dashboards preview` shows, masked by its rule. Devices
of a simulated city go on all the time; what is cut is said by each test. The order of the
tests matters only for their time: each begins when everything is shown again.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from typing import Any, NamedTuple

import pytest_asyncio

from dashboards.boards import build_all
from dashboards.draw import Known, Missing
from dashboards.influxql import ALL
from dashboards.limits import read_limits, shipped_rules
from dashboards.model import Board
from dashboards.preview import Asker, CurrentValue, View, answers_for, current_values
from dashboards.preview.frame import badges
from dashboards.signals.readings import FRESH_S
from tests.support.city_stack import CityStack, city_stack
from tests.support.waiting import eventually

BOARDS = build_all(read_limits(shipped_rules()))
LOST = ("hall-9", "thermometer", "t-9")
"""A device that falls silent, without a last will."""
COUNTING = ("hall-9", "camera", "c-9")
"""A camera that falls silent with a crowd in view."""
YARD = (("yard-9", "ionizer", "ion-9"), ("yard-9", "speaker", "spk-9"))
"""A site that loses its power: its devices' last wills come."""
READINGS: dict[str, dict[str, Any]] = {
    "thermometer": {"type": "temperature", "celsius": 21.5},
    "ionizer": {"type": "air", "efficiency_pct": 99.95, "ozone_ugm3": 40, "people": 900},
    "camera": {"type": "scene", "people": 7000, "fps": 25},
    "speaker": {"type": "audio", "volume_pct": 40, "playing": False},
}
LEFT_S = 32
"""How long the last readings of what is cut off remain current: they were sent late."""
PACE_COUNT = 7
STAGES = {"streams", "sink-influx"}


class Cut(NamedTuple):
    """What was shown before a device and a site were cut off."""

    before: list[CurrentValue]
    at_s: float


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def city(tmp_path_factory: Any) -> AsyncIterator[CityStack]:
    folder = tmp_path_factory.mktemp("city")
    async with city_stack(folder, QALA_SINK__INFLUX__PIPELINE_S="1") as made:
        await made.stack.run("simulate", "--rate", "20", "--devices", "10", "--sites", "2")
        await eventually(lambda: shown_stages(made), STAGES.__eq__, timeout_s=60, every_s=1)
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cut(city: CityStack) -> Cut:
    """One device, and all devices of a site, are shown; then they are cut off."""

    async def all_shown() -> list[CurrentValue]:
        places = (LOST, COUNTING, *YARD)
        return [value for place in places for value in await of_device(city, place)]

    def online_and_measured(values: list[CurrentValue]) -> bool:
        said = [said_of(value) for value in values]
        return said.count("online") == 4 and {"21.5 °C", "40 µg/m³", "40 %"} <= set(said)

    # the pace of these devices: silence is told by it, once four readings are well apart
    sent = itertools.count()
    for _ in range(PACE_COUNT):
        await send_late(city, next(sent))
    async with asyncio.TaskGroup() as group:
        # however long it takes to ask all boards, nothing has become stale by then
        sending = group.create_task(send_on(city, sent))
        before = await eventually(all_shown, online_and_measured, timeout_s=30, every_s=0.5)
        before += await eventually(
            lambda: shown_on(city, BOARDS, LOST), counts_people, timeout_s=30, every_s=0.5
        )
        sending.cancel()
    at_s = time.time()
    for site, kind, device in YARD:
        will = b'{"state":"offline","ts":0,"boot":1}'
        await city.publish(f"qala/v1/{site}/{kind}/{device}/status", will, "-r")
    return Cut(before, at_s)


async def send_on(city: CityStack, sent: Iterator[int]) -> None:
    for seq in sent:
        await send_late(city, seq)


async def send_late(city: CityStack, seq: int) -> None:
    """A reading of each device that is cut off later, already old; and its pace."""
    for site, kind, device in (LOST, COUNTING, *YARD):
        ts = time.time_ns() // 1_000_000 - (FRESH_S - LEFT_S) * 1000
        await city.send(kind, device, site, READINGS[kind] | {"ts": ts, "boot": 1, "seq": seq})
    await asyncio.sleep(1.5)


def counts_people(values: list[CurrentValue]) -> bool:
    """Whether the people of a camera's and a bus stop's readings are in the city's counts."""
    return (
        people_in(values, "people_now_scene") >= 7000
        and people_in(values, "people_now_air") >= 900
        and people_in(values, "people_now_scene_site", "hall-9") == 7000
        and people_in(values, "people_now_air_site", "yard-9") == 900
    )


def view(board: Board, place: tuple[str, str, str] | None) -> View:
    chosen = {} if place is None else {"site": place[0], "device": place[2]}
    variables = {
        each.name: ALL if each.many else chosen.get(each.name, ALL) for each in board.variables
    }
    return View(variables=variables, end_ms=time.time_ns() // 1_000_000, range_s=3600)


async def shown_on(
    city: CityStack, boards: Iterable[Board], place: tuple[str, str, str] | None = None
) -> list[CurrentValue]:
    """Every value that these boards show as current."""
    async with Asker(city.stack.influx_connection) as asker:
        return [
            value
            for board in boards
            for value in current_values(board, await answers_for(asker, board, view(board, place)))
        ]


async def of_device(city: CityStack, place: tuple[str, str, str]) -> list[CurrentValue]:
    return await shown_on(city, [board for board in BOARDS if board.uid == "qala-device"], place)


async def shown_stages(city: CityStack) -> set[str]:
    """The stages of which any value is shown, on the two boards that show both."""
    boards = [board for board in BOARDS if board.uid in ("qala-streets", "qala-pipeline")]
    values = await shown_on(city, boards)
    return {value.stage for value in values if isinstance(value.cell, Known)}


async def tick_badges(city: CityStack) -> set[str]:
    """What the pipeline's page says of liveness in its head."""
    (board,) = (board for board in BOARDS if board.uid == "qala-pipeline")
    async with Asker(city.stack.influx_connection) as asker:
        answers = await answers_for(asker, board, view(board, None))
    return {badge.words for badge in badges(board, answers) if not badge.live}


def said_of(value: CurrentValue) -> str:
    return str(getattr(value.cell, "said", "")).replace("\u202f", " ")


def known_of(values: Iterable[CurrentValue], stage: str) -> set[tuple[str, str, str]]:
    """Where something is shown that depends on a stage: board, panel and signal."""
    return {
        (value.board, value.panel, value.signal)
        for value in values
        if value.stage == stage and isinstance(value.cell, Known)
    }


async def test_a_silent_device_is_shown_neither_online_nor_with_a_value(
    city: CityStack, cut: Cut
) -> None:
    assert "21.5 °C" in {said_of(value) for value in cut.before}
    states = await eventually(
        lambda: of_device(city, LOST),
        lambda values: "stale" in map(said_of, values),
        timeout_s=60,
        every_s=1,
    )
    assert "online" not in map(said_of, states)
    await eventually(lambda: of_device(city, LOST), gone, timeout_s=60, every_s=1)
    assert time.time() - cut.at_s > LEFT_S - 5
    await none_is_current(city, LOST[2])


async def test_a_site_without_power_is_shown_offline_and_without_values(
    city: CityStack, cut: Cut
) -> None:
    assert "40 µg/m³" in {said_of(value) for value in cut.before}
    for place in YARD:
        values = await eventually(
            lambda place=place: of_device(city, place), gone, timeout_s=60, every_s=1
        )
        assert "offline" in map(said_of, values)
        await none_is_current(city, place[2])
    everything = await shown_on(city, BOARDS, LOST)
    counts = {
        value.signal: said_of(value)
        for value in everything
        if value.board == "qala-city" and value.place.get("site") == "yard-9"
    }
    assert counts["devices_online_site"] == "0"
    assert counts["devices_offline_site"] == "2"


async def test_people_that_a_cut_camera_and_a_cut_site_saw_are_counted_no_more(
    city: CityStack, cut: Cut
) -> None:
    assert counts_people(cut.before)
    values = await eventually(
        lambda: shown_on(city, BOARDS, LOST),
        lambda values: people_in(values, "people_now_scene_site", "hall-9") == 0,
        timeout_s=60,
        every_s=1,
    )
    assert people_in(values, "people_now_air_site", "yard-9") == 0
    assert any(value.signal == "people_now_scene" and known(value) for value in values)
    assert people_in(values, "people_now_scene") < 7000
    assert people_in(values, "people_now_air") < 900


def people_in(values: Iterable[CurrentValue], signal: str, site: str | None = None) -> int:
    """The number that the city's board shows of a signal; 0 where it shows none."""
    shown = [
        said_of(value)
        for value in values
        if value.board == "qala-city" and value.signal == signal and known(value)
        if site is None or value.place.get("site") == site
    ]
    return int("".join(each for each in shown[0] if each.isdigit())) if shown else 0


def known(value: CurrentValue) -> bool:
    return isinstance(value.cell, Known)


def gone(values: Iterable[CurrentValue]) -> bool:
    """Whether no reading of a device is shown as current any more."""
    return not any(v.stage == "sink-influx" and isinstance(v.cell, Known) for v in values)


async def none_is_current(city: CityStack, device: str) -> None:
    """No board shows a reading of the device, while those of others are shown."""
    values = await shown_on(city, BOARDS, LOST)
    readings = [v for v in values if v.stage == "sink-influx" and "device" in v.place]
    assert any(isinstance(value.cell, Known) for value in readings)
    assert not [
        value
        for value in readings
        if value.place["device"] == device and isinstance(value.cell, Known)
    ]
    states = {said_of(v) for v in values if v.place.get("device") == device}
    assert "online" not in states


async def test_without_the_worker_what_it_makes_is_unknown_and_readings_are_not(
    city: CityStack,
) -> None:
    before = await shown_on(city, BOARDS, LOST)
    (worker,) = [stage for stage in city.stack.stages if stage.name.startswith("streams")]
    await worker.kill()
    await cuts_off(city, {"streams"}, before)
    await city.start("streams")
    await shown_again(city)


async def test_without_the_sink_everything_is_unknown(city: CityStack) -> None:
    before = await shown_on(city, BOARDS, LOST)
    (sink,) = [stage for stage in city.stack.stages if stage.name.startswith("sink")]
    await sink.kill()
    await cuts_off(city, STAGES, before)
    await city.start("sink-influx")
    await shown_again(city)


async def test_without_a_bridge_everything_is_unknown(city: CityStack) -> None:
    before = await shown_on(city, BOARDS, LOST)
    (bridge,) = [stage for stage in city.stack.stages if stage.name.startswith("bridge")]
    await bridge.stop()
    await cuts_off(city, STAGES, before)
    await city.start("bridge")
    await shown_again(city)


async def test_without_kafka_everything_is_unknown(city: CityStack) -> None:
    before = await shown_on(city, BOARDS, LOST)
    await city.stack.kafka.kill()
    await cuts_off(city, STAGES, before)
    for stage in city.stack.stages:  # without Kafka each would wait for it before it ends
        await stage.kill()


async def cuts_off(city: CityStack, stages: Collection[str], before: list[CurrentValue]) -> None:
    """Wait until these stages aren't live, and look at every board then."""
    assert all(len(known_of(before, stage)) > 10 for stage in STAGES)
    await eventually(
        lambda: shown_stages(city), lambda shown: not shown & set(stages), timeout_s=60, every_s=0.5
    )
    values = await shown_on(city, BOARDS, LOST)
    for stage in stages:
        assert {v.cell for v in values if v.stage == stage} == {Missing("unknown")}
    for stage in STAGES - set(stages):
        left = {signal for _, _, signal in known_of(values, stage)}
        assert {"temperature_celsius", "air_ozone_ugm3", "scene_people"} <= left
    said = await tick_badges(city)
    assert len([words for words in said if "UNKNOWN: " in words]) == len(stages)


async def shown_again(city: CityStack) -> None:
    await eventually(lambda: shown_stages(city), STAGES.__eq__, timeout_s=60, every_s=0.5)
