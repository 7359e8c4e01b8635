"""What InfluxDB's answers say about the lines they answer."""

from __future__ import annotations

import json

import pytest

from sinks.verdict import judge

BUCKET = "qala/raw"


def of_18(message: str) -> str:
    return json.dumps({"error": message})


def of_2x(message: str) -> str:
    return json.dumps({"code": "unprocessable entity", "message": message})


@pytest.mark.parametrize(
    "status,body",
    [
        (400, of_18("partial write: points beyond retention policy dropped=3")),
        (
            422,
            of_2x(
                "failure writing points to database: partial write: dropped 3 points outside "
                "retention policy of duration 720h0m0s - oldest point t at 1970-01-01T00:00:00Z"
            ),
        ),
    ],
)
def test_points_beyond_retention_are_counted_as_expired(status, body):
    verdict = judge(status, body, None, BUCKET)
    assert (verdict.expired, verdict.refused, verdict.trouble) == (3, None, None)


def test_an_unparsable_line_that_quotes_the_retention_message_is_refused_and_not_expired():
    inside = "partial write: points beyond retention policy dropped=1"
    body = of_18(f"partial write: unable to parse 'x {inside}': missing fields dropped=0")
    verdict = judge(400, body, None, BUCKET)
    assert verdict.expired == 0
    assert verdict.refused == "InfluxDB cannot parse the line"


@pytest.mark.parametrize("status", [400, 422])
def test_a_refusal_says_why_without_quoting_the_line(status):
    told = 'partial write: field type conflict: input field "secret" on measurement "air"'
    verdict = judge(status, of_18(told), None, BUCKET)
    assert verdict.refused
    assert "type" in verdict.refused
    assert "secret" not in verdict.refused


def test_a_line_larger_than_influxdb_takes_is_the_lines_own_fault():
    assert judge(413, "", None, BUCKET).refused


@pytest.mark.parametrize(
    "status,body,part",
    [
        (401, of_2x("unauthorized access"), "QALA_INFLUX_TOKEN"),
        (403, of_2x("forbidden"), "QALA_INFLUX_TOKEN"),
        (404, of_18('database not found: "qala"'), "qala provision"),
        (500, of_18("retention policy not found: raw"), "qala provision"),
        (500, of_18("engine is closed"), "500"),
        (
            500,
            of_18("engine: error writing WAL entry: write wal/1/_1.wal: no space left on device"),
            "no room on its disk",
        ),
        (500, of_2x("unexpected error: no space left on device"), "no room on its disk"),
        (500, of_18("engine: cache-max-memory-size exceeded: (1/1)"), "no room in memory"),
        (503, "", "503"),
        (502, "<html>bad gateway</html>", "502"),
        (400, "<html>a proxy's page</html>", "400"),
    ],
)
def test_what_is_not_the_lines_fault_is_trouble_with_its_mend(status, body, part):
    verdict = judge(status, body, None, BUCKET)
    assert verdict.refused is None
    assert verdict.trouble is not None
    assert part in verdict.trouble.reason


@pytest.mark.parametrize("said,seconds", [("7", 7.0), (None, None), ("soon", None), ("-1", None)])
def test_retry_after_is_taken_in_seconds(said, seconds):
    trouble = judge(429, "", said, BUCKET).trouble
    assert trouble is not None
    assert trouble.retry_after_s == seconds
