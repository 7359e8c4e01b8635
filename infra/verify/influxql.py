"""Reading InfluxDB by InfluxQL over HTTP, chunk by chunk; the same on 1.8 and 2.x."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple, Self

import aiohttp
import orjson

from infra.verify.errors import VerifyError
from schemas.access import INFLUX, access_error
from schemas.connections import InfluxConnection

_ROWS_AT_ONCE = 10_000
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120)


class Chunk(NamedTuple):
    """Some rows of one series; ``tags`` are those of GROUP BY, ``time`` columns are in ns."""

    tags: dict[str, str]
    columns: list[str]
    rows: list[list[Any]]


class InfluxReader:
    """Asks InfluxQL questions; use it as an asynchronous context manager."""

    def __init__(self, influx: InfluxConnection) -> None:
        self._influx = influx
        self._session: aiohttp.ClientSession | None = None

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

    async def rows(self, question: str) -> AsyncIterator[Chunk]:
        """The answer's rows as they come.

        Raises:
            VerifyError: InfluxDB cannot be reached or refuses the question.
        """
        if self._session is None:
            raise VerifyError("the reader of InfluxDB is closed; open it with 'async with'")
        asked = {
            "db": self._influx.database,
            "q": question,
            "epoch": "ns",
            "chunked": "true",
            "chunk_size": str(_ROWS_AT_ONCE),
        }
        try:
            async with self._session.post(f"{self._influx.url}/query", data=asked) as answer:
                async for document in _documents(answer.content):
                    for chunk in _chunks(document):
                        yield chunk
        except orjson.JSONDecodeError as exc:
            raise VerifyError(
                f"what answers at {self._influx} does not speak InfluxQL; check QALA_INFLUX_URL"
            ) from exc
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            error = access_error(INFLUX, self._influx, exc, tls=self._influx.tls)
            raise VerifyError(str(error)) from exc


async def _documents(content: aiohttp.StreamReader) -> AsyncIterator[dict[str, Any]]:
    """The JSON documents of a chunked answer, one on each line."""
    rest = b""
    async for part in content.iter_any():
        rest += part
        if b"\n" in part:
            *whole, rest = rest.split(b"\n")
            for line in whole:
                if line.strip():
                    yield orjson.loads(line)
    if rest.strip():
        yield orjson.loads(rest)


def _chunks(document: dict[str, Any]) -> list[Chunk]:
    error = document.get("error") or document.get("message")
    found: list[Chunk] = []
    for result in document.get("results", ()):
        error = error or result.get("error")
        found += [
            Chunk(series.get("tags", {}), series["columns"], series.get("values", []))
            for series in result.get("series", ())
        ]
    if error:
        raise VerifyError(f"InfluxDB refuses a question of `qala verify`: {error}")
    return found
