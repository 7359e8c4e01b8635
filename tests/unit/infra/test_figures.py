"""A process's own figures: what its probe serves, and what is made of that."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge

from infra.probe import serve_probe
from infra.supervisor.figures import Rates, flatten
from infra.supervisor.records import read_probe
from schemas.readiness import Readiness


async def test_a_probe_serves_metrics_and_says_503_with_reasons_until_ready(
    tmp_path: Path,
) -> None:
    import aiohttp  # noqa: PLC0415 - the other tests do without

    registry = CollectorRegistry()
    Counter("qala_bridge_received_total", "x", ["what"], registry=registry).labels("a").inc(3)
    readiness = Readiness("mqtt")
    probing = serve_probe(
        folder=tmp_path, name="bridge-2", stage="bridge", id="2", readiness=readiness,
        registry=registry,
    )  # fmt: skip
    async with probing as record, aiohttp.ClientSession() as session:
        assert read_probe(tmp_path, "bridge-2") == record
        url = f"http://127.0.0.1:{record.port}"
        async with session.get(f"{url}/ready") as answer:
            assert answer.status == 503
            assert await answer.json() == {
                "ready": False, "reasons": {"mqtt": "starting"}, "stage": "bridge", "id": "2",
                "pid": os.getpid(), "notes": {},
            }  # fmt: skip
        readiness.working("mqtt")
        readiness.note("bridge north", "it is away")
        async with session.get(f"{url}/ready") as answer:
            assert answer.status == 200
            assert (await answer.json())["notes"] == {"bridge north": "it is away"}
        async with session.get(f"{url}/metrics") as answer:
            figures = flatten(await answer.text())
    assert figures["qala_bridge_received_total"] == 3
    assert figures["process_resident_memory_bytes"] > 1e6


def test_figures_add_up_labels_but_keep_the_largest_delay() -> None:
    text = (
        "# HELP x\n"
        'qala_a_total{reason="x y"} 2.0\nqala_a_total{reason="z"} 3.0\nqala_a_created 1.0\n'
        'qala_age_seconds{p="1"} 4.0\nqala_age_seconds{p="2"} 2.0\n'
        'qala_d_bucket{le="1"} 7.0\nqala_d_sum 1.5\npython_gc_total 9.0\n'
    )
    assert flatten(text) == {"qala_a_total": 5.0, "qala_age_seconds": 4.0, "qala_d_sum": 1.5}


def test_rates_are_differences_and_a_restarted_counter_begins_at_zero() -> None:
    rates = Rates()
    assert rates.look("bridge", 10.0, {"a_total": 100.0}) == {}
    assert rates.look("bridge", 12.0, {"a_total": 300.0, "gauge": 1.0}) == {"a_total": 100.0}
    assert rates.look("bridge", 13.0, {"a_total": 30.0}) == {"a_total": 30.0}


def test_a_gauge_is_no_rate_and_first_seen_counters_wait_for_a_second_look() -> None:
    registry = CollectorRegistry()
    Gauge("qala_x", "x", registry=registry).set(1)
    rates = Rates()
    rates.look("s", 1.0, {})
    assert rates.look("s", 2.0, {"new_total": 50.0}) == {}
