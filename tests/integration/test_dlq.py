"""`qala dlq`: fifty bad messages of ten reasons, listed, shown, mended and replayed."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from infra.dlq import Filter, Letter, Ref, open_letters
from ingest import load_person_key
from ingest.replay import Message, open_replay
from schemas.clock import RealClock
from tests.support.city_stack import CityStack, city_stack
from tests.support.stack import QALA
from tests.support.waiting import eventually

SITE = "dlq-1"
EACH = 5
HOUR_MS = 3_600_000
STORED_AIR, STORED_PASSAGES = 49, 5
"""45 bad messages of ionizers: one stays bad, and five are mended to two readings each."""

WRONG = {
    "not_json": {}, "unknown_type": {"type": "aire"}, "missing_field": {}, "array_length": {},
    "wrong_type": {"ozone_ugm3": "12"}, "out_of_range": {"ozone_ugm3": 5001}, "wrong_kind": {},
    "topic_id": {}, "topic_kind": {}, "not_an_object": {},
}  # fmt: skip
TOPIC_PARTS = {
    "wrong_kind": ("ionizer", "desk"), "topic_id": (SITE, "Dlq_1"), "topic_kind": ("ionizer", "fan")
}  # fmt: skip


def reading(number: int, seq: int = 0, **changes: Any) -> dict[str, Any]:
    ts = time.time_ns() // 1_000_000 - 60_000
    return {"type": "air", "ts": ts, "boot": number, "seq": seq, "efficiency_pct": 99.5,
            "ozone_ugm3": 41} | changes  # fmt: skip


def passage(number: int) -> dict[str, Any]:
    return {"type": "passage", "ts": time.time_ns() // 1_000_000 - 60_000, "boot": number,
            "seq": 0, "person": f"person-marked-{number}"}  # fmt: skip


def topic_of(reason: str, number: int) -> str:
    kind = "camera" if reason == "missing_field" else "ionizer"
    topic = f"qala/v1/{SITE}/{kind}/{reason.replace('_', '-')}-{number}/telemetry"
    return topic.replace(*TOPIC_PARTS.get(reason, ("", "")), 1)


def payload_of(reason: str, number: int) -> bytes:
    if reason in {"array_length", "not_an_object"}:
        return b"[]" if reason == "array_length" else b"42"
    made = passage(number) if reason == "missing_field" else reading(number, **WRONG[reason])
    if (reason, number) == ("out_of_range", 1):
        made["ts"] += HOUR_MS
    body = json.dumps(made).encode()
    return body[:-1] if reason == "not_json" else body


def mended(entry: dict[str, Any]) -> dict[str, Any]:
    """What an operator makes of an exported line; that of number 0 out of range stays as it is."""
    reason, payload = entry["reason"], entry["payload"]
    number = int(entry["topic"].split("/")[4][-1])
    if reason == "array_length":
        payload = json.dumps([reading(number), reading(number, 1)])
    elif reason == "not_an_object":
        payload = json.dumps(reading(number))
    elif reason == "not_json":
        payload += "}"
    elif reason == "missing_field":
        payload = json.dumps(json.loads(payload) | {"direction": "in"})
    elif reason in {"unknown_type", "wrong_type"} or (reason == "out_of_range" and number):
        payload = json.dumps(json.loads(payload) | {"type": "air", "ozone_ugm3": 12})
    right, wrong = TOPIC_PARTS.get(reason, ("", ""))
    return entry | {"topic": entry["topic"].replace(wrong, right, 1), "payload": payload}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def city(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CityStack]:
    async with city_stack(tmp_path_factory.mktemp("dlq")) as started:
        yield started


async def qala(city: CityStack, *arguments: str, code: int = 0) -> str:
    """What ``qala dlq ARGUMENTS`` printed; on stderr it says something only where it failed."""
    process = await asyncio.create_subprocess_exec(
        str(QALA), "dlq", *arguments, env=city.stack.environ(COLUMNS="100"), cwd=city.stack.data,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == code, err.decode()
    assert err.count(b"\n") == (1 if code or "--open" in arguments else 0), err.decode()
    return out.decode()


async def letters(city: CityStack, wanted: Filter | None = None) -> list[Letter]:
    async with open_letters(city.stack.kafka_connection) as topic:
        return await topic.chosen(wanted or Filter())


async def names(city: CityStack, measurement: str) -> Counter[tuple[str, int, int]]:
    rows = await city.rows(f'SELECT * FROM "raw"."{measurement}" WHERE "site" = \'{SITE}\'')
    return Counter((row["device"], row["boot"], row["seq"]) for row in rows)


async def total(city: CityStack, question: str) -> float:
    rows = await city.rows(f"{question} WHERE \"site\" = '{SITE}'")
    return sum(row["sum"] for row in rows)


@pytest.mark.timeout(240)
async def test_fifty_bad_messages_are_listed_shown_mended_and_replayed_and_stored_once(
    city: CityStack,
) -> None:
    for reason in WRONG:
        for number in range(EACH):
            await city.publish(topic_of(reason, number), payload_of(reason, number))
    await eventually(lambda: letters(city), lambda found: len(found) == EACH * len(WRONG))

    listed = json.loads(await qala(city, "list", "--limit", "100", "--json"))
    assert Counter(letter["reason"] for letter in listed) == dict.fromkeys(WRONG, EACH)
    assert [letter["written"] for letter in listed] == sorted(
        (letter["written"] for letter in listed), reverse=True
    )
    table = await qala(city, "list", "--reason", "wrong_type", "--site", "dlq-*", "--since", "1h")
    assert sum(" wrong_type " in line for line in table.splitlines()) == EACH
    async with open_letters(city.stack.kafka_connection) as topic:
        beyond = [Ref(number, 1_000_000) for number in range(topic.partitions)]
        assert [ref async for ref, _ in topic.bodies(beyond)] == []
    (first,) = [
        letter for letter in listed
        if letter["topic"] == topic_of("out_of_range", 0)
    ]  # fmt: skip
    shown = (await qala(city, "show", first["ref"])).splitlines()
    (carets,) = [n for n, line in enumerate(shown) if "^^^^" in line]
    assert "must be from 0 to 5000" in shown[carets]
    assert shown[carets - 1][shown[carets].index("^") :].startswith("5001")

    file = city.stack.data / "letters.ndjson"
    assert "50 letters into" in await qala(city, "export", "--out", str(file), "--open")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    await crashed_before_its_mark(city, mend(file))

    dry = json.loads(await qala(city, "replay", "--from", str(file), "--dry-run", "--json"))
    assert (dry["replayed"], dry["refused_again"], dry["unchanged"]) == (49, 0, 1)
    whole = ("replay", "--from", str(file), "--all", "--json")
    dry = json.loads(await qala(city, *whole, "--dry-run", code=1))
    assert (dry["replayed"], dry["refused_again"], dry["unchanged"]) == (49, 1, 0)
    assert not any(letter.marks for letter in await letters(city))
    done = json.loads(await qala(city, *whole, code=1))
    assert (done["replayed"], done["refused_again"], done["skipped"], done["impossible"]) == (
        49, 1, 0, 0,
    )  # fmt: skip
    air = await eventually(lambda: names(city, "air"), lambda found: found.total() >= STORED_AIR)
    assert set(air.values()) == {1}
    persons = await eventually(
        lambda: city.rows('SELECT * FROM "raw"."passage"'),
        lambda found: len(found) >= STORED_PASSAGES,
    )
    assert not [row for row in persons if "marked" in row["person"]]
    (ahead,) = await city.rows(
        'SELECT * FROM "raw"."air" WHERE "device" = \'out-of-range-1\' AND "boot" = 1'
    )
    assert ahead["device_ts"] > time.time() * 1000  # its clock was wrong when it came first

    await nothing_twice(city, file, first["ref"])


def mend(file: Path) -> Message:
    """Mend all lines of the file but one; gives one of them as what the bridge takes."""
    lines = [mended(json.loads(line)) for line in file.read_text("utf-8").splitlines()]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    line = next(line for line in lines if line["reason"] == "wrong_type")
    return Message(line["ref"], line["topic"], line["payload"].encode(), line["rx"])


async def crashed_before_its_mark(city: CityStack, message: Message) -> None:
    """A replay that ended between its readings and its mark: the next one repeats it."""
    kafka = city.stack.kafka_connection
    key = load_person_key(None, city.stack.data)
    async with open_replay(kafka, key=key, clock=RealClock()) as replay:
        assert replay.put(message).accepted == 1
        await replay.settle()


async def nothing_twice(city: CityStack, file: Path, refused: str) -> None:
    """Once more does nothing; ``--again`` repeats, and what is stored stays as it was."""
    idle = json.loads(await qala(city, "replay", "--from", str(file), "--json"))
    assert (idle["replayed"], idle["skipped"]) == (0, 50)
    (second,) = [one for one in await letters(city) if one.replay_of is not None]
    assert str(second.ref.partition) == refused.split("/", maxsplit=1)[0]
    (one,) = [letter for letter in await letters(city) if str(letter.ref) == refused]
    assert (one.state, one.marks[0].refused) == ("refused again", 1)
    newest = (await qala(city, "list", "--limit", "3")).splitlines()
    (row,) = [line for line in newest if line.startswith(str(second.ref))]
    assert row.split()[-2:] == ["new", refused]

    some = json.loads(await qala(city, "replay", "--from", str(file), "--again", "--json"))
    assert (some["replayed"], some["refused_again"], some["unchanged"]) == (49, 0, 1)
    whole = ("replay", "--from", str(file), "--all", "--json")
    again = json.loads(await qala(city, *whole, "--again", code=1))
    assert (again["replayed"], again["refused_again"], again["skipped"]) == (49, 1, 0)
    await city.send("ionizer", "last", SITE, reading(1, ts=time.time_ns() // 1_000_000))
    stored = STORED_AIR + 1
    windows = 'SELECT sum("count") AS "sum" FROM "r10s"."air_10s"'
    seen = await eventually(lambda: total(city, windows), lambda found: found >= stored)
    assert seen == stored
    throughput = 'SELECT sum("readings") AS "sum" FROM "r10s"."throughput_10s"'
    # counted by the log's time, the last reading may be in a window that closes later
    counted = await eventually(
        lambda: total(city, throughput), lambda found: found >= stored + STORED_PASSAGES
    )
    assert counted == stored + STORED_PASSAGES
    air = await names(city, "air")
    assert (len(air), set(air.values())) == (stored, {1})
    assert len(await city.rows('SELECT * FROM "raw"."passage"')) == STORED_PASSAGES
    rows = await eventually(
        lambda: told_letters(city), lambda found: sum(found) >= EACH * len(WRONG) + 2
    )
    assert sum(rows) == EACH * len(WRONG) + 2  # the marks of replays are no letters


async def told_letters(city: CityStack) -> list[float]:
    """How many letters of each reason and writer the sink has counted."""
    question = (
        'SELECT last("letters") AS "letters" FROM "raw"."pipeline" '
        'WHERE "stage" = \'dead-letters\' GROUP BY "reason", "writer"'
    )
    return [row["letters"] for row in await city.rows(question)]
