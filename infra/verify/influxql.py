"""Reading long answers of InfluxDB, chunk by chunk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from infra.verify.errors import VerifyError
from schemas.connections import InfluxConnection
from schemas.errors import ServerAccessError
from schemas.influxql import (
    FIRST_REFUSAL,
    Series,
    influx_error,
    influx_session,
    knock,
    no_database,
    read_answer,
    read_document,
    series_of,
)

_ROWS_AT_ONCE = 10_000
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120)


@asynccontextmanager
async def influx_reader(influx: InfluxConnection) -> AsyncIterator[InfluxReader]:
    """A reader of an InfluxDB that answers.

    Raises:
        VerifyError: it does not answer within some seconds.
    """
    async with influx_session(influx, _TIMEOUT) as session:
        try:
            await knock(session, influx)
        except ServerAccessError as exc:
            raise VerifyError(str(exc)) from exc
        yield InfluxReader(influx, session)


class InfluxReader:
    """Asks InfluxQL questions; made by `influx_reader`."""

    def __init__(self, influx: InfluxConnection, session: aiohttp.ClientSession) -> None:
        self._influx = influx
        self._session = session

    async def rows(self, question: str) -> AsyncIterator[Series]:
        """The answer's rows as they come, ``time`` in ns; a series may come in several parts.

        Raises:
            VerifyError: InfluxDB cannot be reached or refuses the question.
        """
        asked = {
            "db": self._influx.database,
            "q": question,
            "epoch": "ns",
            "chunked": "true",
            "chunk_size": str(_ROWS_AT_ONCE),
        }
        try:
            async with self._session.post(f"{self._influx.url}/query", data=asked) as answer:
                if answer.status >= FIRST_REFUSAL:
                    refused = read_answer(self._influx, answer.status, await answer.read())
                    raise _refused(self._influx, refused.refusal)
                async for text in _documents(answer.content):
                    for series in _series(self._influx, read_document(self._influx, text)):
                        yield series
        except ServerAccessError as exc:
            raise VerifyError(str(exc)) from exc
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise VerifyError(str(influx_error(self._influx, exc))) from exc


async def _documents(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The JSON documents of a chunked answer, one on each line."""
    rest = b""
    async for part in content.iter_any():
        rest += part
        if b"\n" in part:
            *whole, rest = rest.split(b"\n")
            for line in whole:
                if line.strip():
                    yield line
    if rest.strip():
        yield rest


def _series(influx: InfluxConnection, document: dict[str, Any]) -> list[Series]:
    error = document.get("error") or document.get("message")
    found: list[Series] = []
    for result in document.get("results", ()):
        error = error or result.get("error")
        found += series_of(result)
    if error:
        raise _refused(influx, error)
    return found


def _refused(influx: InfluxConnection, error: str) -> VerifyError:
    refused = f"InfluxDB refuses a question of `qala verify`: {error}"
    return VerifyError(no_database(influx, error) or refused)
