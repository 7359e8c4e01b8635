"""Hostile strings come back from InfluxDB as they were sent."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from infra.provision import provision_influx
from schemas.envelope import Line
from schemas.lineprotocol import alert_row, device_row, pipeline_row, reading_row, rollup_row
from schemas.readings import Audio, Passage, Ticket
from schemas.records import Alert, DeviceRecord, Rollup
from sinks import InfluxSink
from tests.support.servers import query

# What means something to line protocol, to JSON, to terminals or to nobody; and everything else.
MEANING = st.sampled_from(
    ['"', "\\", ",", "=", " ", "\n", "\r", "\t", "\0", "#", "'", "\x7f", "\x85", "\u2028"]
)
CHARACTER = (
    MEANING
    | st.sampled_from("ai1😀é\u202e\u200d\ufeffש")
    | st.characters(exclude_categories=["Cs"])
)
STRINGS = st.lists(st.text(CHARACTER, max_size=12), min_size=80, max_size=120)

KNOWN = [
    "", " ", '"', "\\", "\\\\", "a\\", '\\"', '"\\', '\\\\"', "\n", "\r\n", "a\nb", "\\\n", "\n\\",
    "\0", "a,b=c d", '",b="c', '" 1\nair,site=x f=1', "# no comment", "\n#", "\u202eabc", "😀",
    "null", "\t", "a\\,b", "a\\ b", "a\\=b", "=", ",", "\\,", "🏙" * 1000, 'long"\\\n' * 9000,
]  # fmt: skip

LONGEST_TAG = 1000
"""Of what is tried: a series' whole name is at most 64 KiB, and no tag of ours is free text."""

_names = itertools.count()


class Case(NamedTuple):
    """A kind of row with a text in it, and the query that gives the texts back."""

    policy: str
    row: Callable[[str, int, str], str]
    """Of a site, a number and a text."""
    query: str
    tag: bool = False


def moment(number: int) -> dict[str, int]:
    return {"ts": NOW_MS, "boot": 0, "seq": number}


def audio(site: str, number: int, text: str) -> str:
    reading = Audio(**moment(number), volume_pct=1.0, playing=True, announcement=text)
    return reading_row(Line(site, "speaker", "d", 0, reading=reading))


def ticket(site: str, number: int, text: str) -> str:
    reading = Ticket(**moment(number), ticket=text, service="s", event="opened")
    return reading_row(Line(site, "desk", "d", 0, reading=reading))


def passage(site: str, number: int, text: str) -> str:
    reading = Passage(**moment(number), person=text, direction="in")
    return reading_row(Line(site, "camera", "d", 0, reading=reading))


def alert(site: str, number: int, text: str) -> str:
    return alert_row(
        Alert(
            id=text, rule="r", severity="info", site=site, kind="desk", device="d",
            state="firing", value=1.0, summary=text, at=NOW_MS, ordinal=number, started=0,
        )
    )  # fmt: skip


def device(site: str, number: int, text: str) -> str:
    known = {"site": site, "kind": "desk", "device": "d", "state": "online", "since": 0}
    return device_row(DeviceRecord(**known, at=NOW_MS, ordinal=number, firmware=text))


def rollup(site: str, number: int, text: str) -> str:
    tags = {"service": text, "event": "opened"}
    known = {"type": "ticket", "window": "10s", "site": site, "device": "d", "tags": tags}
    return rollup_row(Rollup(**known, start=NOW_MS, count=1, fields={}, shift=number))


def counters(site: str, number: int, text: str) -> str:
    return pipeline_row({"site": site, "reason": text}, {"n": 1.0}, NOW_MS * 1_000_000 + number)


NOW_MS = time.time_ns() // 1_000_000
CASES = {
    "announcement": Case("raw", audio, 'SELECT announcement AS "t" FROM "raw"."audio"'),
    "ticket": Case("raw", ticket, 'SELECT ticket AS "t" FROM "raw"."ticket"'),
    "person": Case("raw", passage, 'SELECT person AS "t" FROM "raw"."passage"'),
    "alert-id": Case("r1h", alert, 'SELECT id AS "t" FROM "r1h"."alert"'),
    "summary": Case("r1h", alert, 'SELECT summary AS "t" FROM "r1h"."alert"'),
    "firmware": Case("raw", device, 'SELECT firmware AS "t" FROM "raw"."device_state"'),
    "tag-of-a-rollup": Case(
        "r10s", rollup, 'SELECT "count", service AS "t" FROM "r10s"."ticket_10s"', tag=True
    ),
    "tag-of-a-counter": Case(
        "raw", counters, 'SELECT n, reason AS "t" FROM "raw"."pipeline"', tag=True
    ),
}


def kept_by_a_tag(text: str) -> str:
    """What line protocol can say of a tag: no line ends, no backslash at the end."""
    text = text.replace("\n", " ").replace("\r", " ")
    return text[:-1] + " " if text.endswith("\\") else text


@pytest.mark.parametrize("name", CASES)
@settings(
    max_examples=max(2, settings.default.max_examples // 50),
    suppress_health_check=list(HealthCheck),
)
@example(KNOWN)
@given(texts=STRINGS)
async def test_hostile_strings_come_back_identical(any_influxdb, name, texts):
    case = CASES[name]
    if case.tag:
        texts = [text[:LONGEST_TAG] or "-" for text in texts]
    await provision_influx(any_influxdb)
    site = f"hostile-{next(_names)}-{time.time_ns()}"
    rows = [case.row(site, number, text) for number, text in enumerate(texts)]
    sink = InfluxSink(any_influxdb, timeout_s=20)
    try:
        written = await sink.write(case.policy, rows)
    finally:
        await sink.close()
    assert (written.accepted, written.rejected) == (len(rows), [])
    found = await query(any_influxdb, f"{case.query} WHERE site = '{site}'")
    expected = [kept_by_a_tag(text) for text in texts] if case.tag else texts
    assert [row["t"] for row in found] == expected


@pytest.mark.parametrize(
    "text", ['x" 1\nair,site=forged efficiency_pct=1.0', "x\nair,site=forged f=1"]
)
async def test_a_string_cannot_forge_a_row(any_influxdb, text):
    await provision_influx(any_influxdb)
    sink = InfluxSink(any_influxdb, timeout_s=20)
    written = await sink.write("raw", [audio("forge", 1, text)])
    await sink.close()
    assert written.accepted == 1
    assert not await query(any_influxdb, "SELECT * FROM air WHERE site = 'forged'")
