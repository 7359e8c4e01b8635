"""Asking InfluxDB a board's queries, in InfluxQL over HTTP; the same on 1.8 and 2.x."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Self

import aiohttp
import orjson

from dashboards.preview.errors import AskError
from schemas.access import INFLUX, access_error
from schemas.connections import InfluxConnection

_AT_ONCE: Final = 4
_TIMEOUT: Final = aiohttp.ClientTimeout(total=60, sock_connect=5)
_FIRST_REFUSAL: Final = 400


class Series(NamedTuple):
    """One series of an answer: the tags it is grouped by, and its rows; ``time`` is in ms."""

    tags: Mapping[str, str]
    columns: tuple[str, ...]
    rows: list[list[Any]]


class Asker:
    """Asks InfluxQL questions, a few at once; use it as an asynchronous context manager."""

    def __init__(self, influx: InfluxConnection) -> None:
        self._influx = influx
        self._session: aiohttp.ClientSession | None = None
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def __aenter__(self) -> Self:
        token = self._influx.token.get_secret_value()
        headers = {"Authorization": f"Token {token}"} if token else {}
        self._session = aiohttp.ClientSession(
            timeout=_TIMEOUT,
            headers=headers,
            connector=aiohttp.TCPConnector(ssl=self._influx.ssl_context() or True),
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask_all(self, questions: Iterable[str]) -> dict[str, list[Series]]:
        """The answer to each of the questions; one that comes twice is asked once."""
        wanted = list(dict.fromkeys(questions))
        return dict(zip(wanted, await asyncio.gather(*map(self.ask, wanted)), strict=True))

    async def ask(self, question: str) -> list[Series]:
        """The series that answer one statement; none where there are no data.

        Raises:
            AskError: InfluxDB can't be reached, or refuses the question.
        """
        if self._session is None:
            raise AskError("InfluxDB is asked outside its session; open it with 'async with'")
        form = {"db": self._influx.database, "q": question, "epoch": "ms"}
        try:
            async with (
                self._turns,
                self._session.post(f"{self._influx.url}/query", data=form) as answer,
            ):
                status, body = answer.status, await answer.read()
            document = orjson.loads(body)
        except orjson.JSONDecodeError as exc:
            raise AskError(
                f"what answers at {self._influx} does not speak InfluxQL; check QALA_INFLUX_URL"
            ) from exc
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            error = access_error(INFLUX, self._influx, exc, tls=self._influx.tls)
            raise AskError(str(error)) from exc
        return _series(document, status, question)


def _series(document: dict[str, Any], status: int, question: str) -> list[Series]:
    result = (document.get("results") or [{}])[0]
    refusal = document.get("error") or document.get("message") or result.get("error")
    if refusal or status >= _FIRST_REFUSAL:
        raise AskError(f"InfluxDB refuses the query `{question}`: {refusal or status}")
    return [
        Series(found.get("tags", {}), tuple(found["columns"]), found.get("values", []))
        for found in result.get("series", ())
    ]
