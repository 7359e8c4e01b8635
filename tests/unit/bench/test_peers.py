"""The hand-written peer does its work right where nothing goes wrong: else it compares nothing."""

from __future__ import annotations

import tomllib

import msgspec

from tests.bench.load import BEGAN_MS, Schedule, record
from tests.bench.peers.hand_sink import reading_line, window_line
from tests.bench.peers.hand_worker import Windows
from tests.bench.peers.wire import decode_wire
from tests.bench.telegraf import Telegraf, TelegrafAlone, configuration
from tests.bench.truth import COUNTED, SPAN_MS, Window, truth

SCHEDULE = Schedule(start_ms=BEGAN_MS, rate=50.0)


def wire(site: str, device: str, reading: bytes) -> bytes:
    return b'{"site":"%b","device":"%b","reading":%b}' % (site.encode(), device.encode(), reading)


def test_windows_by_hand_are_those_of_the_truth():
    recorded = record(count=2000, devices=12, rate=50)
    windows, closed = Windows(), []
    for message, payload in SCHEDULE.sent(recorded):
        _, _, site, _, device, _ = message.topic.split("/")
        one = decode_wire(wire(site, device, payload))
        windows.add(one.site, one.device, one.reading)
        closed += windows.closed()
    found = {
        Window(one.type, one.site, one.device, one.start): one.count
        for one in closed
        if one.type in COUNTED
    }
    last = max(window.start_ms for window in found)
    true = {
        window: count
        for window, count in truth(recorded, SCHEDULE).windows.items()
        if window.start_ms <= last
    }
    assert found == true
    assert last >= BEGAN_MS + 2 * SPAN_MS


def test_rows_by_hand_are_line_protocol():
    reading = b'{"type":"audio","ts":12,"boot":1,"seq":2,"volume_pct":20,"playing":true,"queue":3}'
    assert reading_line(wire("s", "d", reading)) == (
        "audio,site=s,device=d boot=1i,seq=2i,volume_pct=20.0,playing=true,queue=3i 12000000"
    )
    window = {
        "type": "temperature", "site": "s", "device": "d", "tags": ["body"], "start": 10_000,
        "count": 2, "fields": {"celsius": [2, 73.0, 36.0, 37.0]},
    }  # fmt: skip
    assert window_line(msgspec.json.encode(window)) == (
        "temperature_10s,site=s,device=d,subject=body count=2i,"
        "celsius_count=2i,celsius_sum=73.0,celsius_min=36.0,celsius_max=37.0 10000000000"
    )


def test_each_telegraf_reads_where_the_one_before_it_writes():
    values = {
        "mqtt": 1, "kafka": "k:2", "influx": 3, "filter": "a/+", "client_id": "c", "topic": "t",
        "database": "d", "grace": "1m",
    }  # fmt: skip
    first, second = (
        tomllib.loads(configuration(parts, **values)) for parts in Telegraf.parts.values()
    )
    assert first["inputs"]["mqtt_consumer"][0]["topics"] == ["a/+"]
    assert first["outputs"]["kafka"][0]["topic"] == "t"
    assert second["inputs"]["kafka_consumer"][0]["topics"] == ["t"]
    assert second["outputs"]["influxdb"][0]["database"] == "d"
    (alone,) = (
        tomllib.loads(configuration(parts, **values)) for parts in TelegrafAlone.parts.values()
    )
    assert alone["inputs"] == first["inputs"]
    assert alone["outputs"] == second["outputs"]
    assert alone["aggregators"] == second["aggregators"]
