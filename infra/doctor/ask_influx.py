"""Asking InfluxDB: version, clock, database, retention, and whether the token may read and write.

A write of nothing but a comment is checked like any other (who writes, and into what), and
leaves no row.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from msgspec import Struct

from infra.doctor.finding import Away
from infra.provision.influx import duration_s
from schemas.access import INFLUX, access_error
from schemas.connections import InfluxConnection
from schemas.errors import ConnectionSettingError
from schemas.measurements import POLICIES

_TIMEOUT: Final = aiohttp.ClientTimeout(total=4.0)
_NOTHING: Final = b"# qala doctor\n"
_READ: Final = 'SELECT * FROM "raw"."pipeline" WHERE time > now() - 1s LIMIT 1'
_WRITTEN: Final = (HTTPStatus.OK, HTTPStatus.NO_CONTENT)


class InfluxSeen(Struct, frozen=True, kw_only=True):
    """What InfluxDB told. ``version`` is None for a build that does not say it.

    ``clock_ms`` is the span in which its clock minus ours lies (its ``Date`` has whole seconds).
    ``asked`` is the answer to the question for the retention policies: an HTTP status and a
    sentence. ``kept_s`` is how long each policy keeps, 0 for ever, and ``default`` which one
    InfluxQL reads without being told. ``writes`` has the refusal of each policy that can't be
    written, with its status.
    """

    version: tuple[int, int] | None
    said: str
    clock_ms: tuple[int, int] | None
    asked: tuple[int, str]
    readable: tuple[int, str]
    kept_s: dict[str, int]
    default: str | None
    writes: dict[str, tuple[int, str]]


async def ask_influx(influx: InfluxConnection, now_ms: Callable[[], int]) -> InfluxSeen | Away:
    """Look at everything of InfluxDB that Qala needs, and write no row."""
    token = influx.token.get_secret_value()
    headers = {"Authorization": f"Token {token}"} if token else {}
    try:
        connector = aiohttp.TCPConnector(ssl=influx.ssl_context() or True)
        async with aiohttp.ClientSession(
            headers=headers, timeout=_TIMEOUT, connector=connector
        ) as session:
            return await _look(session, influx, now_ms)
    except ConnectionSettingError as exc:
        return Away.told(exc, INFLUX.address)
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        return Away.told(access_error(INFLUX, influx, exc, tls=influx.tls), INFLUX.address)


async def _look(
    session: aiohttp.ClientSession, influx: InfluxConnection, now_ms: Callable[[], int]
) -> InfluxSeen | Away:
    before = now_ms()
    async with session.get(f"{influx.url}/ping") as answer:
        after = now_ms()
        if answer.status not in _WRITTEN:
            return Away(
                f"what answers at {influx} is not InfluxDB (HTTP {answer.status} to /ping)",
                "set QALA_INFLUX_URL to the address of InfluxDB",
            )
        said = answer.headers.get("X-Influxdb-Version", "")
        date = answer.headers.get("Date")
    found = re.match(r"v?(\d+)\.(\d+)", said)
    version = (int(found[1]), int(found[2])) if found else None
    question = f"SHOW RETENTION POLICIES ON {_quoted(influx.database)}"
    status, said_of_policies, rows = await _ask(session, influx, question)
    kept = {str(row[0]): duration_s(str(row[1])) for row in rows}
    default = next((str(row[0]) for row in rows if row[4]), None)
    if version and version[0] >= 2 and status == HTTPStatus.OK:  # noqa: PLR2004 - the generation
        # there InfluxQL tells the mapping, and only the buckets how long they keep
        keeps = await _buckets(session, influx)
        kept = {name: keeps[influx.bucket(name)] for name in kept if influx.bucket(name) in keeps}
    (read_status, read_said, _), *writes = await asyncio.gather(
        _ask(session, influx, _READ), *(_write(session, influx, policy) for policy in POLICIES)
    )
    return InfluxSeen(
        version=version,
        said=said,
        clock_ms=_clock_ms(date, before, after),
        asked=(status, said_of_policies),
        readable=(read_status, read_said),
        kept_s=kept,
        default=default,
        writes={
            policy: answer
            for policy, answer in zip(POLICIES, writes, strict=True)
            if answer[0] not in _WRITTEN
        },
    )


async def _ask(
    session: aiohttp.ClientSession, influx: InfluxConnection, question: str
) -> tuple[int, str, list[list[Any]]]:
    """Status, refusal and rows of one InfluxQL question."""
    form = {"db": influx.database, "q": question}
    async with session.post(f"{influx.url}/query", data=form) as answer:
        body = await _json(answer)
    result = (body.get("results") or [{}])[0]
    series = (result.get("series") or [{}])[0]
    return answer.status, _refusal(body) or _refusal(result), list(series.get("values", []))


async def _buckets(session: aiohttp.ClientSession, influx: InfluxConnection) -> dict[str, int]:
    """How long each bucket keeps, in s; 0 for ever."""
    params = {"org": influx.org, "limit": "100"}
    async with session.get(f"{influx.url}/api/v2/buckets", params=params) as answer:
        body = await _json(answer)
    return {
        bucket["name"]: next((int(r["everySeconds"]) for r in bucket["retentionRules"]), 0)
        for bucket in body.get("buckets", [])
    }


async def _write(
    session: aiohttp.ClientSession, influx: InfluxConnection, policy: str
) -> tuple[int, str]:
    params = {"org": influx.org, "bucket": influx.bucket(policy)}
    async with session.post(f"{influx.url}/api/v2/write", params=params, data=_NOTHING) as answer:
        return answer.status, _refusal(await _json(answer))


async def _json(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    try:
        body = await answer.json(content_type=None)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _refusal(body: dict[str, Any]) -> str:
    return str(body.get("error") or body.get("message") or "")


def _clock_ms(date: str | None, before: int, after: int) -> tuple[int, int] | None:
    """The least and the most that the server's clock can be ahead of ours."""
    try:
        second = int(parsedate_to_datetime(date or "").timestamp() * 1000)
    except ValueError:
        return None
    return second - after, second + 999 - before


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
