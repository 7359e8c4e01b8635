"""InfluxDB: 1.8 and 2.x by one path, line protocol to ``/api/v2/write``.

The two differ in what a retention policy is, but both find it under the bucket name
``database/policy``; which version answers is asked, never configured.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.rest import ApiException
from influxdb_client.service.health_service import HealthService

from schemas.access import HTTP_TO_HTTPS, INFLUX, access_error, plain_to_tls
from schemas.connections import InfluxConnection
from schemas.measurements import DEFAULT_POLICY
from sinks.contract import Rejected, Trouble, Written
from sinks.errors import UnsupportedInfluxError
from sinks.verdict import Verdict, judge

_OLDEST: Final = (1, 8)
_UNREACHABLE: Final = (aiohttp.ClientError, OSError, TimeoutError)
_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)")
_UNKNOWN: Final = "of unknown version"
_NOT_INFLUX: Final = (
    "what answers a write is not InfluxDB (no 204); check QALA_INFLUX_URL and what stands before it"
)


class InfluxSink:
    """Writes rows to one InfluxDB; see `sinks.contract.Sink`. Made inside a running loop."""

    def __init__(self, connection: InfluxConnection, *, timeout_s: float) -> None:
        self._connection = connection
        # Not its batching mode, which only logs what it loses; and no gzip, as InfluxDB is near.
        self._client = InfluxDBClientAsync(
            url=connection.url,
            token=connection.token.get_secret_value(),
            org=connection.org,
            timeout=round(timeout_s * 1000),
            enable_gzip=False,
            ssl_context=connection.ssl_context(),
        )
        self._writer = self._client.write_api()

    async def version(self) -> str | Trouble:
        """The server's version, or why it can't be asked now.

        Raises:
            UnsupportedInfluxError: it is older than 1.8, or not InfluxDB.
        """
        try:
            said = str(await self._client.version() or "")
        except ApiException as exc:
            return self._trouble(exc)
        except _UNREACHABLE as exc:
            return self._unreachable(exc)
        number = _VERSION.match(said)
        if number is None:  # one that was built from its source does not know its version
            return await self._unnumbered()
        if (int(number[1]), int(number[2])) < _OLDEST:
            raise UnsupportedInfluxError(
                f"InfluxDB at {self._connection.url} is version {number[0]}, which has no "
                "/api/v2/write; Qala needs InfluxDB 1.8 or 2.x"
            )
        return said.removeprefix("v")

    async def refusal(self) -> Trouble | None:
        """Why InfluxDB would not take rows of this token now; None where it would.

        Asked by writing a comment, which leaves nothing: nothing less is checked against the
        right to write.
        """
        return (await self._post(DEFAULT_POLICY, ["# may this token write?"])).trouble

    async def write(self, policy: str, lines: Sequence[str]) -> Written:
        """Write ``lines``; the refused and the expired are found by halving, in their order."""
        written = Written()
        waiting = [list(lines)] if lines else []
        while waiting:
            part = waiting.pop()
            verdict = await self._post(policy, part)
            if verdict.trouble:
                written.trouble = verdict.trouble
                written.keep = [line for held in (part, *reversed(waiting)) for line in held]
                break
            if verdict.refused is None and not verdict.expired:
                written.accepted += len(part)
            elif verdict.expired == len(part):
                written.expired += len(part)
            elif len(part) == 1:
                written.rejected.append(Rejected(part[0], verdict.refused or ""))
            else:  # 1.8 tells of one fault only: points too old hide a line it can't parse
                half = len(part) // 2
                waiting += [part[half:], part[:half]]
        return written

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _post(self, policy: str, lines: list[str]) -> Verdict:
        body = "\n".join(lines).encode()
        try:
            taken = await self._writer.write(
                bucket=self._connection.bucket(policy),
                record=body,
                write_precision="ns",  # type: ignore[arg-type]  # their enumeration is plain strings
            )
        except ApiException as exc:
            headers: Mapping[str, str] = exc.headers or {}
            verdict = judge(
                exc.status or 0,
                _text(exc.body),
                headers.get("Retry-After"),
                self._connection.bucket(policy),
            )
            _let_go(exc)
            return verdict
        except _UNREACHABLE as exc:
            trouble = self._unreachable(exc)
            _let_go(exc)
            return Verdict(trouble=trouble)
        if not taken:  # a 2xx of something in between, which has not handed the rows on
            return Verdict(trouble=Trouble(_NOT_INFLUX))
        return Verdict()

    async def _unnumbered(self) -> str | Trouble:
        # /health came with 1.8, together with /api/v2/write.
        try:
            service = HealthService(self._client.api_client)
            health = await service.get_health_async()
        except ApiException as exc:
            if exc.status != HTTPStatus.NOT_FOUND:
                return self._trouble(exc)
            raise UnsupportedInfluxError(
                f"what answers at {self._connection.url} is not InfluxDB 1.8 or 2.x (it has no "
                "/health); check QALA_INFLUX_URL"
            ) from None
        except _UNREACHABLE as exc:
            return self._unreachable(exc)
        if getattr(health, "name", None) != "influxdb":
            raise UnsupportedInfluxError(
                f"what answers at {self._connection.url} is not InfluxDB; check QALA_INFLUX_URL"
            )
        return _UNKNOWN

    def _trouble(self, exc: ApiException) -> Trouble:
        body = _text(exc.body)
        if HTTP_TO_HTTPS in body:
            return Trouble(str(plain_to_tls(INFLUX, self._connection)), final=True)
        verdict = judge(exc.status or 0, "", None, f"database {self._connection.database}")
        return verdict.trouble or Trouble(f"InfluxDB answers {exc.status}")

    def _unreachable(self, exc: Exception) -> Trouble:
        error = access_error(INFLUX, self._connection, exc, tls=self._connection.tls)
        return Trouble(str(error), final=not error.retryable)


def _let_go(error: BaseException) -> None:
    """Empty the frames that a failed write left behind, its copies of the rows among them.

    The client keeps the error in the frame that raises it, so each failed write was a ring of
    1 MB that only the garbage collector could find, and a stage looks for garbage rarely: 100 MB
    within minutes of an outage.
    """
    one: BaseException | None = error
    while one is not None:
        traceback.clear_frames(one.__traceback__)
        one = one.__cause__ or one.__context__


def _text(body: object) -> str:
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
