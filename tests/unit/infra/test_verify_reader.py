"""What stands before InfluxDB may refuse in its own words: that is never taken for no rows."""

from __future__ import annotations

import pytest

from infra.verify.errors import VerifyError
from infra.verify.influxql import influx_reader
from tests.support.before_influxdb import answering


@pytest.mark.parametrize(
    "status, body, told",
    [
        (401, "", "HTTP 401"),
        (403, '{"detail":"Forbidden"}', "HTTP 403"),
        (502, "<html>Bad Gateway</html>", "HTTP 502"),
        (400, '{"error":"error parsing query"}', "error parsing query"),
        (200, '{"results":[{"error":"database not found: qala"}]}', "there is no database"),
        (200, "{}", "does not speak InfluxQL"),
        (200, "<html>Welcome</html>", "does not speak InfluxQL"),
    ],
)
async def test_a_refusal_is_told(status: int, body: str, told: str) -> None:
    async with answering(status, body) as influx, influx_reader(influx) as reader:
        with pytest.raises(VerifyError, match=told):
            _ = [series async for series in reader.rows("SELECT * FROM air")]


async def test_the_series_of_an_answer_in_parts_come_one_by_one() -> None:
    part = '{"results":[{"series":[{"name":"air","columns":["time"],"values":[[%d]]}]}]}\n'
    async with answering(200, part % 1 + part % 2) as influx, influx_reader(influx) as reader:
        assert [series.rows async for series in reader.rows("SELECT * FROM air")] == [[[1]], [[2]]]
