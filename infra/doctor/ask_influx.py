"""Asking InfluxDB: version, clock, database, retention, and whether the token may read and write.

A write of nothing but a comment is checked like any other (who writes, and into what), and
leaves no row. InfluxQL of 2.x answers a token that may not read as if nothing were there (200,
and no row), so there the buckets themselves say what it may read: one that is there and hidden is
an empty list, one that is not there a 404.
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
from msgspec.structs import replace

from infra.doctor.finding import Away
from infra.provision.influx import duration_s
from schemas.access import INFLUX
from schemas.connections import InfluxConnection
from schemas.errors import ConnectionSettingError, ServerAccessError
from schemas.influxql import ask_influxql, influx_error, influx_session
from schemas.measurements import POLICIES

_TIMEOUT: Final = aiohttp.ClientTimeout(total=4.0)
_NOTHING: Final = b"# qala doctor\n"
_READ: Final = 'SELECT * FROM "raw"."pipeline" WHERE time > now() - 1s LIMIT 1'
_WRITTEN: Final = (HTTPStatus.OK, HTTPStatus.NO_CONTENT)
_HIDDEN: Final = (HTTPStatus.FORBIDDEN.value, "this token may not read its buckets")


class InfluxSeen(Struct, frozen=True, kw_only=True):
    """What InfluxDB told. ``version`` is None for a build that does not say it.

    ``clock_ms`` is the span in which its clock minus ours lies (its ``Date`` has whole seconds).
    ``asked`` is the answer to the question for the retention policies: an HTTP status and a
    sentence. ``kept_s`` is how long each policy keeps, 0 for ever, and ``default`` which one
    InfluxQL reads without being told. ``writes`` has the refusal of each policy that can't be
    written, with its status. ``no_org`` is what 2.x says of an organisation that it does not
    know, empty where it knows it.
    """

    version: tuple[int, int] | None
    said: str
    clock_ms: tuple[int, int] | None
    asked: tuple[int, str]
    readable: tuple[int, str]
    kept_s: dict[str, int]
    default: str | None
    writes: dict[str, tuple[int, str]]
    no_org: str = ""


class _Bucket(Struct, frozen=True):
    """What 2.x says of a bucket: a status and a sentence; ``keep_s`` where it shows it."""

    status: int
    said: str
    keep_s: int | None = None

    @property
    def hidden(self) -> bool:
        """Whether it is there, and not shown to this token."""
        return self.status == HTTPStatus.OK and self.keep_s is None


async def ask_influx(influx: InfluxConnection, now_ms: Callable[[], int]) -> InfluxSeen | Away:
    """Look at everything of InfluxDB that Qala needs, and write no row."""
    try:
        async with influx_session(influx, _TIMEOUT) as session:
            return await _look(session, influx, now_ms)
    except (ConnectionSettingError, ServerAccessError) as exc:
        return Away.told(exc, INFLUX.address)
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        return Away.told(influx_error(influx, exc), INFLUX.address)


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
    seen = await _by_influxql(session, influx, version, said)
    if version and version[0] >= 2:  # noqa: PLR2004 - the generation
        seen = await _by_buckets(session, influx, seen)
    return replace(seen, clock_ms=_clock_ms(date, before, after))


async def _by_influxql(
    session: aiohttp.ClientSession,
    influx: InfluxConnection,
    version: tuple[int, int] | None,
    said: str,
) -> InfluxSeen:
    """What every generation tells."""
    question = f"SHOW RETENTION POLICIES ON {_quoted(influx.database)}"
    asked, read, *writes = await asyncio.gather(
        ask_influxql(session, influx, question),
        ask_influxql(session, influx, _READ),
        *(_write(session, influx, policy) for policy in POLICIES),
    )
    policies = [
        dict(zip(series.columns, row, strict=True))
        for series in asked.series
        for row in series.rows
    ]
    return InfluxSeen(
        version=version,
        said=said,
        clock_ms=None,
        asked=(asked.status, asked.refusal),
        readable=(read.status, read.refusal),
        kept_s={str(row["name"]): duration_s(str(row["duration"])) for row in policies},
        default=next((str(row["name"]) for row in policies if row["default"]), None),
        writes={
            policy: answer
            for policy, answer in zip(POLICIES, writes, strict=True)
            if answer[0] not in _WRITTEN
        },
    )


async def _by_buckets(
    session: aiohttp.ClientSession, influx: InfluxConnection, seen: InfluxSeen
) -> InfluxSeen:
    """As 2.x has it: InfluxQL tells the mapping, and only the buckets who may read and how long.

    Where no bucket is shown though one is there, nothing is known of the database.
    """
    answers = await asyncio.gather(*(_bucket(session, influx, policy) for policy in POLICIES))
    buckets = dict(zip(POLICIES, answers, strict=True))
    shown = {name: one.keep_s for name, one in buckets.items() if one.keep_s is not None}
    hidden = not shown and any(bucket.hidden for bucket in answers)
    return replace(
        seen,
        asked=_HIDDEN if hidden else seen.asked,
        readable=_HIDDEN if hidden else seen.readable,
        kept_s={name: shown[name] for name in seen.kept_s if name in shown},
        no_org=next((one.said for one in answers if "organization" in one.said), ""),
    )


async def _bucket(session: aiohttp.ClientSession, influx: InfluxConnection, policy: str) -> _Bucket:
    """Ask for one bucket by its name."""
    name = influx.bucket(policy)
    params = {"org": influx.org, "name": name}
    async with session.get(f"{influx.url}/api/v2/buckets", params=params) as answer:
        body = await _json(answer)
    for bucket in body.get("buckets", []):
        if bucket["name"] == name:
            rules = bucket["retentionRules"]
            keep_s = next((int(rule["everySeconds"]) for rule in rules), 0)
            return _Bucket(answer.status, "", keep_s)
    return _Bucket(answer.status, _refusal(body))


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
