"""Asking InfluxDB a board's queries, a few at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, Self

import aiohttp

from dashboards.preview.errors import AskError
from schemas.connections import InfluxConnection
from schemas.errors import ServerAccessError
from schemas.influxql import Series, ask_influxql, influx_session, knock, no_database

_AT_ONCE: Final = 4
_TIMEOUT: Final = aiohttp.ClientTimeout(total=60, sock_connect=5)


class Asker:
    """Asks InfluxQL questions, a few at once; use it as an asynchronous context manager."""

    def __init__(self, influx: InfluxConnection) -> None:
        self._influx = influx
        self._session: aiohttp.ClientSession | None = None
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def __aenter__(self) -> Self:
        self._session = influx_session(self._influx, _TIMEOUT)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def knock(self) -> None:
        """See whether InfluxDB is there, before questions that may rightly take long.

        Raises:
            AskError: it does not answer within some seconds.
        """
        try:
            await knock(self._opened(), self._influx)
        except ServerAccessError as exc:
            raise AskError(str(exc)) from exc

    async def ask_all(self, questions: Iterable[str]) -> dict[str, list[Series]]:
        """The answer to each of the questions; one that comes twice is asked once."""
        wanted = list(dict.fromkeys(questions))
        return dict(zip(wanted, await asyncio.gather(*map(self.ask, wanted)), strict=True))

    async def ask(self, question: str) -> list[Series]:
        """The series that answer one statement, ``time`` in ms; none where there are no data.

        Raises:
            AskError: InfluxDB can't be reached, or refuses the question.
        """
        try:
            async with self._turns:
                answer = await ask_influxql(self._opened(), self._influx, question, epoch="ms")
        except ServerAccessError as exc:
            raise AskError(str(exc)) from exc
        if answer.refusal:
            if mend := no_database(self._influx, answer.refusal):
                raise AskError(mend)
            raise AskError(f"InfluxDB refuses the query `{question}`: {answer.refusal}")
        return answer.series

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise AskError("InfluxDB is asked outside its session; open it with 'async with'")
        return self._session
