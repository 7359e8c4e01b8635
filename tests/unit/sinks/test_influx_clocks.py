"""Asking for wrong clocks something that stands before InfluxDB and does not answer."""

from __future__ import annotations

import pytest

from sinks.contract import Trouble
from sinks.influx import InfluxSink
from sinks.influx_clocks import InfluxClocks
from tests.support.before_influxdb import answering


async def asked(status: int, body: str) -> object:
    async with answering(status, body) as influx:
        sink = InfluxSink(influx, timeout_s=5)
        try:
            return await InfluxClocks(influx, sink).since("air", 0, 10)
        finally:
            await sink.close()


@pytest.mark.parametrize("body", ["<html>Forbidden</html>", '{"detail":"Forbidden"}', ""])
async def test_who_may_write_and_not_read_is_not_held_for_ever(body: str) -> None:
    trouble = await asked(403, body)
    assert isinstance(trouble, Trouble)
    assert trouble.final
    assert "allow it to read, too" in trouble.reason


@pytest.mark.parametrize(
    "status, body",
    [(503, "<html>Unavailable</html>"), (502, "{}"), (200, "{}"), (200, "<html>Welcome</html>")],
)
async def test_what_is_no_answer_is_neither_no_rows_nor_for_ever(status: int, body: str) -> None:
    trouble = await asked(status, body)
    assert isinstance(trouble, Trouble)
    assert not trouble.final


async def test_no_rows_are_no_trouble() -> None:
    assert await asked(200, '{"results":[{"statement_id":0}]}') == []
