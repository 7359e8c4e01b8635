"""The few HTTP calls of InfluxDB that provisioning needs, on 1.8 and 2.x."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import aiohttp

from infra.provision.errors import ProvisionError, UnsupportedServerError
from schemas.access import HTTP_TO_HTTPS, INFLUX, plain_to_tls
from schemas.connections import InfluxConnection
from schemas.errors import ServerAccessError
from schemas.influxql import FIRST_REFUSAL, ask_influxql, influx_error, influx_session

_NOT_FOUND: Final = 404
_REFUSALS: Final = frozenset({401, 403})
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30.0)


class InfluxVersion(NamedTuple):
    """Major and minor version of a server."""

    major: int
    minor: int

    def __str__(self) -> str:
        """As people write it, ``1.8``."""
        return f"{self.major}.{self.minor}"


OLDEST: Final = InfluxVersion(1, 8)
FIRST_2: Final = InfluxVersion(2, 0)
_FIRST_3: Final = InfluxVersion(3, 0)


class InfluxApi:
    """A session with one server; used as a context manager."""

    def __init__(self, influx: InfluxConnection) -> None:
        self._influx = influx
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = influx_session(self._influx, _TIMEOUT)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def version(self) -> InfluxVersion:
        """The server's version, by ``/ping``.

        Raises:
            UnsupportedServerError: it is one that Qala doesn't work with.
        """
        _, headers, _ = await self._request("GET", "/ping")
        said = headers.get("X-Influxdb-Version", "")
        found = re.match(r"v?(\d+)\.(\d+)", said)
        if found is None:
            # a build without a version stamp; /health came with 1.8, and so did /api/v2/write
            status, _, _ = await self._request("GET", "/health")
            if status == _NOT_FOUND:
                raise self._unsupported(f"has no version ({said!r}) and no /health")
            return OLDEST
        version = InfluxVersion(int(found[1]), int(found[2]))
        if version < OLDEST:
            raise self._unsupported(f"is InfluxDB {version}")
        if version >= _FIRST_3:
            raise self._unsupported(f"is InfluxDB {version}, which can't be provisioned by Qala")
        return version

    async def ask(self, statement: str) -> list[list[Any]]:
        """Run one InfluxQL statement and return the rows of its first series."""
        try:
            answer = await ask_influxql(self._opened(), self._influx, statement)
        except ServerAccessError as exc:
            raise ProvisionError(str(exc)) from exc
        if answer.status in _REFUSALS:
            raise ProvisionError(
                f"InfluxDB at {self._influx} refuses the token ({answer.refusal}); check "
                "QALA_INFLUX_TOKEN: provisioning needs one that may do everything"
            )
        if answer.refusal:
            raise ProvisionError(
                f"InfluxDB at {self._influx} refused `{statement}`: {answer.refusal}"
            )
        return answer.series[0].rows if answer.series else []

    async def call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """Call a path of ``/api/v2`` and return its JSON.

        Raises:
            ProvisionError: refused; says why, in the server's words.
        """
        status, _, body = await self._request(method, f"/api/v2/{path}", **arguments)
        if status >= FIRST_REFUSAL:
            raise ProvisionError(
                f"InfluxDB at {self._influx} refused {method} /api/v2/{path} ({status}): "
                f"{body.get('message', 'no reason given')}; check QALA_INFLUX_TOKEN and _ORG"
            )
        return body

    async def shows_bucket(self, name: str) -> bool:
        """Whether 2.x knows the token of this session, and lets it read the bucket ``name``."""
        params = {"org": self._influx.org, "name": name}
        status, _, body = await self._request("GET", "/api/v2/buckets", params=params)
        return status < FIRST_REFUSAL and bool(body.get("buckets"))

    async def _request(
        self,
        method: str,
        path: str,
        **arguments: Any,
    ) -> tuple[int, dict[str, str], dict[str, Any]]:
        session = self._opened()
        try:
            async with session.request(method, f"{self._influx.url}{path}", **arguments) as answer:
                text = await answer.read()
                if HTTP_TO_HTTPS.encode() in text:
                    raise ProvisionError(str(plain_to_tls(INFLUX, self._influx)))
                is_json = answer.content_type == "application/json" and text
                body = await answer.json() if is_json else {}
                return answer.status, dict(answer.headers), body
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise ProvisionError(str(influx_error(self._influx, exc))) from exc

    def _opened(self) -> aiohttp.ClientSession:
        assert self._session is not None, "used outside its `async with`"  # noqa: S101 - a bug of ours
        return self._session

    def _unsupported(self, what: str) -> UnsupportedServerError:
        return UnsupportedServerError(
            f"the server at {self._influx} {what}; Qala needs InfluxDB 1.8 or 2.x"
        )
