"""Asking InfluxDB in InfluxQL over HTTP (``/query``), the same on 1.8 and 2.x.

Stands apart like `schemas.connections`: it needs aiohttp.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import aiohttp
import orjson

from schemas.access import HTTP_TO_HTTPS, INFLUX, access_error, plain_to_tls
from schemas.connections import InfluxConnection
from schemas.errors import ServerAccessError, ServerAwayError, ServerRefusedError

FIRST_REFUSAL: Final = 400
"""The least HTTP status that refuses."""
_WORDS: Final = frozenset({"results", "error", "message"})
"""One of these is in whatever InfluxDB answers."""
_NO_DATABASE: Final = ("database not found", "default retention policy not set for: ")
"""How 1.8 and 2.x refuse to read of a database that they don't have."""


class Series(NamedTuple):
    """One series of an answer: the tags of its GROUP BY, and its rows."""

    tags: Mapping[str, str]
    columns: tuple[str, ...]
    rows: list[list[Any]]


class Answer(NamedTuple):
    """What one statement was answered.

    ``refusal`` has the server's words where it refused, or the status where it has none; else
    it is empty.
    """

    status: int
    refusal: str
    series: list[Series]


def influx_session(
    influx: InfluxConnection, timeout: aiohttp.ClientTimeout
) -> aiohttp.ClientSession:
    """A session that shows this InfluxDB its token, with TLS where its address says so.

    Raises:
        ConnectionSettingError: the CA can't be read.
    """
    token = influx.token.get_secret_value()
    return aiohttp.ClientSession(
        headers={"Authorization": f"Token {token}"} if token else {},
        timeout=timeout,
        connector=aiohttp.TCPConnector(ssl=influx.ssl_context() or True),
    )


async def knock(
    session: aiohttp.ClientSession, influx: InfluxConnection, *, timeout_s: float = 5.0
) -> None:
    """See whether anything answers there, before a question that may rightly take long.

    Raises:
        ServerAwayError: nobody does within ``timeout_s``.
    """
    soon = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with session.get(f"{influx.url}/ping", timeout=soon):
            pass
    except TimeoutError as exc:
        raise ServerAwayError(
            f"InfluxDB at {influx} does not answer within {timeout_s:g} s; where it hangs, see its "
            "log and start it again"
        ) from exc
    except (aiohttp.ClientError, OSError) as exc:
        raise influx_error(influx, exc) from exc


async def ask_influxql(
    session: aiohttp.ClientSession,
    influx: InfluxConnection,
    statement: str,
    *,
    epoch: str | None = None,
) -> Answer:
    """Ask one statement of the database of ``influx``.

    ``epoch`` is the unit of ``time`` columns (``ms``, ``ns``); without it they are RFC 3339.

    Raises:
        ServerAccessError: nobody answers, or what answers is not InfluxDB.
    """
    form = {"db": influx.database, "q": statement} | ({"epoch": epoch} if epoch else {})
    try:
        async with session.post(f"{influx.url}/query", data=form) as answer:
            status, body = answer.status, await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise influx_error(influx, exc) from exc
    return read_answer(influx, status, body)


def no_database(influx: InfluxConnection, refusal: str) -> str:
    """What to do where a ``refusal`` means that there is no such database; empty for any other."""
    if not refusal.startswith(_NO_DATABASE):
        return ""
    return (
        f"there is no database '{influx.database}' at {influx}; check QALA_INFLUX_DATABASE, or run "
        "`qala provision`"
    )


def influx_error(influx: InfluxConnection, error: BaseException) -> ServerAccessError:
    """What a failed attempt to ask this InfluxDB means."""
    return access_error(INFLUX, influx, error, tls=influx.tls)


def read_answer(influx: InfluxConnection, status: int, body: bytes) -> Answer:
    """The answer to the first statement (the others, if any, are left out).

    A refusal counts whoever wrote it: what stands before InfluxDB may refuse in words of its own.

    Raises:
        ServerRefusedError: this is no answer of InfluxDB's; says what to do.
    """
    if status >= FIRST_REFUSAL and HTTP_TO_HTTPS.encode() in body:
        raise plain_to_tls(INFLUX, influx)
    document = _object(body)
    if document is None or not document.keys() & _WORDS:
        if status >= FIRST_REFUSAL and status != HTTPStatus.NOT_FOUND:
            return Answer(status, f"HTTP {status}", [])
        raise _no_influxdb(influx)
    result = (document.get("results") or [{}])[0]
    refusal = document.get("error") or document.get("message") or result.get("error")
    if not refusal and status >= FIRST_REFUSAL:
        refusal = f"HTTP {status}"
    return Answer(status, str(refusal or ""), series_of(result))


def read_document(influx: InfluxConnection, text: bytes) -> dict[str, Any]:
    """One JSON document of an answer in parts.

    Raises:
        ServerRefusedError: it is none; says what to do.
    """
    document = _object(text)
    if document is None or not document.keys() & _WORDS:
        raise _no_influxdb(influx)
    return document


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _no_influxdb(influx: InfluxConnection) -> ServerRefusedError:
    return ServerRefusedError(
        f"what answers at {influx} does not speak InfluxQL; check QALA_INFLUX_URL"
    )


def series_of(result: Mapping[str, Any]) -> list[Series]:
    """The series of one statement's result."""
    return [
        Series(found.get("tags", {}), tuple(found["columns"]), found.get("values", []))
        for found in result.get("series", ())
    ]
