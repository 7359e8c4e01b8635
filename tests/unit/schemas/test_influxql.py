"""What InfluxDB's answers mean, on both generations."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from pydantic import SecretStr

from schemas.connections import InfluxConnection
from schemas.errors import ServerAwayError, ServerRefusedError
from schemas.influxql import Series, ask_influxql, influx_session, knock, read_answer, read_document

INFLUX = InfluxConnection(url="http://127.0.0.1:1", token=SecretStr("user:word"))


def test_series_have_their_tags_columns_and_rows() -> None:
    body = (
        b'{"results":[{"statement_id":0,"series":[{"name":"air","tags":{"site":"s"},'
        b'"columns":["time","ozone"],"values":[[1,2.5]]},{"name":"b","columns":["time"]}]}]}'
    )
    assert read_answer(INFLUX, 200, body) == (
        200,
        "",
        [Series({"site": "s"}, ("time", "ozone"), [[1, 2.5]]), Series({}, ("time",), [])],
    )


@pytest.mark.parametrize("body", [b'{"results":[{"statement_id":0}]}', b'{"results":[]}'])
def test_no_data_are_no_series(body: bytes) -> None:
    assert read_answer(INFLUX, 200, body) == (200, "", [])


@pytest.mark.parametrize(
    "status, body, refusal",
    [
        (400, b'{"error":"error parsing query"}', "error parsing query"),
        (401, b'{"code":"unauthorized","message":"unauthorized access"}', "unauthorized access"),
        (200, b'{"results":[{"statement_id":0,"error":"database not found"}]}', "database not"),
        (503, b'{"results":[]}', "HTTP 503"),
        # of what stands before it
        (403, b"<html>Forbidden</html>", "HTTP 403"),
        (403, b'{"detail":"Forbidden"}', "HTTP 403"),
        (503, b"{}", "HTTP 503"),
        (502, b"", "HTTP 502"),
    ],
)
def test_a_refusal_is_in_the_servers_words_or_its_status(
    status: int, body: bytes, refusal: str
) -> None:
    answer = read_answer(INFLUX, status, body)
    assert answer.status == status
    assert answer.refusal.startswith(refusal)
    assert answer.series == []


@pytest.mark.parametrize("body", [b"", b"<html>Welcome</html>", b"[1]", b'"text"', b"{}"])
def test_what_is_not_influxdb_is_told_with_its_setting(body: bytes) -> None:
    with pytest.raises(ServerRefusedError, match="speak InfluxQL; check QALA_INFLUX_URL"):
        read_answer(INFLUX, 200, body)
    with pytest.raises(ServerRefusedError, match="speak InfluxQL; check QALA_INFLUX_URL"):
        read_answer(INFLUX, 404, body)
    with pytest.raises(ServerRefusedError, match="speak InfluxQL; check QALA_INFLUX_URL"):
        read_document(INFLUX, body)


def test_a_server_that_wants_tls_is_told_with_the_mend() -> None:
    said = b"Client sent an HTTP request to an HTTPS server.\n"
    with pytest.raises(ServerRefusedError, match="https:// into QALA_INFLUX_URL"):
        read_answer(INFLUX, 400, said)


async def test_nobody_at_the_address_is_told_without_the_token() -> None:
    async with influx_session(INFLUX, aiohttp.ClientTimeout(total=5)) as session:
        with pytest.raises(ServerAwayError, match="cannot be reached") as told:
            await ask_influxql(session, INFLUX, "SHOW DATABASES")
    assert "word" not in str(told.value)


async def test_a_session_shows_its_token_and_none_where_there_is_none() -> None:
    async with influx_session(INFLUX, aiohttp.ClientTimeout()) as session:
        assert session.headers["Authorization"] == "Token user:word"
    async with influx_session(InfluxConnection(), aiohttp.ClientTimeout()) as session:
        assert "Authorization" not in session.headers


async def test_a_server_that_takes_calls_and_never_answers_is_told_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        influx = InfluxConnection(url=f"http://127.0.0.1:{mute.getsockname()[1]}")
        async with influx_session(influx, aiohttp.ClientTimeout(total=60)) as session:
            with pytest.raises(ServerAwayError, match=r"does not answer within 0\.1 s; where it"):
                await knock(session, influx, timeout_s=0.1)


def test_what_a_reading_says_is_no_refusal() -> None:
    said = "Client sent an HTTP request to an HTTPS server."
    body = f'{{"results":[{{"series":[{{"columns":["text"],"values":[["{said}"]]}}]}}]}}'
    assert read_answer(INFLUX, 200, body.encode()).series[0].rows == [[said]]
