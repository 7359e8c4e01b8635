"""Hostile strings come back from InfluxDB as they were sent."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from infra.provision import provision_influx
from schemas.envelope import Line
from schemas.lineprotocol import alert_row, reading_row
from schemas.readings import Audio, Ticket
from schemas.records import Alert
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
    "null", "\t",
]  # fmt: skip

_names = itertools.count()


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@example(KNOWN)
@given(STRINGS)
async def test_strings_of_readings_and_alerts_come_back_identical(any_influxdb, texts):
    await provision_influx(any_influxdb)
    site = f"hostile-{next(_names)}-{time.time_ns()}"
    now_ms = time.time_ns() // 1_000_000
    raw, alerts = [], []
    for seq, text in enumerate(texts):
        named = {"ts": now_ms, "boot": 0, "seq": seq}
        audio = Audio(**named, volume_pct=1.0, playing=True, announcement=text)
        raw.append(reading_row(Line(site, "speaker", "d", 0, reading=audio)))
        ticket = Ticket(**named, ticket=text or "-", service="s", event="opened")
        raw.append(reading_row(Line(site, "desk", "d", 0, reading=ticket)))
        alerts.append(
            alert_row(
                Alert(
                    id=text, rule="r", severity="info", site=site, kind="desk", device="d",
                    state="firing", value=1.0, summary=text, at=now_ms, ordinal=seq, started=0,
                )
            )
        )  # fmt: skip
    sink = InfluxSink(any_influxdb, timeout_s=20)
    try:
        for policy, rows in (("raw", raw), ("r1h", alerts)):
            written = await sink.write(policy, rows)
            assert (written.accepted, written.rejected) == (len(rows), [])
    finally:
        await sink.close()
    for source, name, expected in (
        ('"raw"."audio"', "announcement", texts),
        ('"raw"."ticket"', "ticket", [text or "-" for text in texts]),
        ('"r1h"."alert"', "id", texts),
        ('"r1h"."alert"', "summary", texts),
    ):
        found = await query(any_influxdb, f"SELECT \"{name}\" FROM {source} WHERE site = '{site}'")
        assert [row[name] for row in found] == expected


@pytest.mark.parametrize(
    "text", ['x" 1\nair,site=forged efficiency_pct=1.0', "x\nair,site=forged f=1"]
)
async def test_a_string_cannot_forge_a_row(any_influxdb, text):
    await provision_influx(any_influxdb)
    now_ms = time.time_ns() // 1_000_000
    audio = Audio(ts=now_ms, boot=0, seq=1, volume_pct=1.0, playing=True, announcement=text)
    sink = InfluxSink(any_influxdb, timeout_s=20)
    written = await sink.write(
        "raw", [reading_row(Line("forge", "speaker", "d", 0, reading=audio))]
    )
    await sink.close()
    assert written.accepted == 1
    assert not await query(any_influxdb, "SELECT * FROM air WHERE site = 'forged'")
