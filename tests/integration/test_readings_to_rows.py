"""A reading published by any MQTT client is a row in InfluxDB, exactly as the contract has it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.city_stack import CityStack, city_stack
from tests.support.waiting import eventually

TYPES = {"integer": int, "float": float, "boolean": bool, "string": str}

READINGS: dict[str, tuple[str, dict[str, Any], dict[str, str], dict[str, Any]]] = {
    # type: (kind, fields as sent, tags of the row, fields of the row)
    "scene": (
        "camera",
        {"people": 12.0, "vehicles": 3, "motion": 1, "fps": 25, "bitrate_kbps": 4000,
         "storage_free_pct": 61.5, "tamper": False},
        {},
        {"people": 12, "vehicles": 3, "motion": 1.0, "fps": 25.0, "bitrate_kbps": 4000.0,
         "storage_free_pct": 61.5, "tamper": False},
    ),
    "temperature": (
        "thermometer",
        {"celsius": -4, "humidity_pct": 80},
        {"subject": "ambient"},
        {"celsius": -4.0, "humidity_pct": 80.0},
    ),
    "air": (
        "ionizer",
        {"efficiency_pct": 99.9, "ions_cm3": 1e6, "ozone_ugm3": 40, "pm25_ugm3": 8.25,
         "co2_ppm": 420, "filter_hours": 17, "power_w": 35.5, "people": 4},
        {},
        {"efficiency_pct": 99.9, "ions_cm3": 1e6, "ozone_ugm3": 40.0, "pm25_ugm3": 8.25,
         "co2_ppm": 420.0, "filter_hours": 17.0, "power_w": 35.5, "people": 4},
    ),
    "audio": (
        "speaker",
        {"volume_pct": 60, "playing": True, "announcement": 'say "ice"\\ on, the=road', "queue": 2,
         "noise_db": 55.5},
        {},
        {"volume_pct": 60.0, "playing": True, "announcement": 'say "ice"\\ on, the=road',
         "queue": 2, "noise_db": 55.5},
    ),
    "ticket": (
        "desk",
        {"ticket": "A-0017", "service": "water-contract", "event": "opened"},
        {"service": "water-contract", "event": "opened"},
        {"ticket": "A-0017"},
    ),
    "passage": (
        "camera",
        {"person": "person-0042", "direction": "in", "mask": True, "body_celsius": 36.6,
         "confidence": 1},
        {"direction": "in"},
        {"mask": True, "body_celsius": 36.6, "confidence": 1.0},
    ),
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def city(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CityStack]:
    async with city_stack(tmp_path_factory.mktemp("city")) as started:
        yield started


async def raw_rows(city: CityStack, sort: str, device: str) -> list[dict[str, Any]]:
    return await city.rows(f'SELECT * FROM "raw"."{sort}" WHERE "device" = \'{device}\'')


def whole(rows: list[dict[str, Any]]) -> bool:
    return bool(rows) and all(None not in row.values() for row in rows)


@pytest.mark.parametrize("sort", READINGS)
async def test_one_valid_reading_leads_to_exactly_one_row(city: CityStack, sort: str) -> None:
    kind, sent, tags, fields = READINGS[sort]
    now_ms = time.time_ns() // 1_000_000
    head = {"type": sort, "ts": now_ms, "boot": 7, "seq": 250_000}
    await city.send(kind, f"one-{sort}", "site-rows", head | sent)
    # InfluxDB may show a point before it has taken in all of its fields
    (row,) = await eventually(lambda: raw_rows(city, sort, f"one-{sort}"), whole)
    person = row.pop("person", None)
    expected = {"site": "site-rows", "device": f"one-{sort}", "boot": 7, "seq": 250_000}
    shift = (250_000 + 7919 * 7) % 1_000_000
    assert row == expected | tags | fields | {"time": now_ms * 1_000_000 + shift}
    if sort == "passage":
        assert person not in (None, "", "person-0042")
    types = {
        key["fieldKey"]: TYPES[key["fieldType"]]
        for key in await city.rows(f'SHOW FIELD KEYS FROM "raw"."{sort}"')
    }
    wanted = {name: type(value) for name, value in fields.items()} | {"boot": int, "seq": int}
    assert wanted.items() <= types.items()
    keys = {key["tagKey"] for key in await city.rows(f'SHOW TAG KEYS FROM "raw"."{sort}"')}
    assert keys == {"site", "device", *tags}


async def test_an_array_of_1000_becomes_1000_rows_and_again_none_more(city: CityStack) -> None:
    now_ms = time.time_ns() // 1_000_000
    array = [
        {"type": "temperature", "ts": now_ms - 1000 + seq, "boot": 1, "seq": seq, "celsius": 20.5}
        for seq in range(1000)
    ]
    for _ in range(2):
        await city.send("thermometer", "array", "site-rows", *array)
        await eventually(lambda: raw_rows(city, "temperature", "array"), lambda r: len(r) == 1000)
    last = {"type": "temperature", "ts": now_ms + 1, "boot": 1, "seq": 1000, "celsius": 20}
    await city.send("thermometer", "array", "site-rows", last)
    rows = await eventually(
        lambda: raw_rows(city, "temperature", "array"), lambda r: len(r) != 1000
    )
    assert len(rows) == 1001
    assert rows[-1]["celsius"] == 20.0, "20 after 20.5 in one field is kept"
    assert len({row["time"] for row in rows}) == 1001


async def test_a_reading_is_followed_by_its_window_and_its_sites_throughput(
    city: CityStack,
) -> None:
    now_ms = time.time_ns() // 1_000_000
    reading = {"type": "air", "ts": now_ms, "boot": 1, "seq": 0, "efficiency_pct": 99.9}
    await city.send("ionizer", "ion-w", "site-window", reading)
    where = "WHERE \"site\" = 'site-window'"
    (window,) = await eventually(
        lambda: city.rows(f'SELECT * FROM "r10s"."air_10s" {where}'), timeout_s=30
    )
    assert window["time"] == now_ms // 10_000 * 10_000 * 1_000_000
    assert (window["count"], window["efficiency_pct_sum"]) == (1, 99.9)
    (flow,) = await eventually(
        lambda: city.rows(f'SELECT * FROM "r10s"."throughput_10s" {where}'), timeout_s=30
    )
    size = len('{"type": "air", "ts": , "boot": 1, "seq": 0, "efficiency_pct": 99.9}') + 13
    assert {name: flow[name] for name in ("kind", "readings", "devices", "bytes")} == {
        "kind": "ionizer", "readings": 1, "devices": 1, "bytes": size,
    }  # fmt: skip
