"""Asking InfluxDB, in InfluxQL, for rows of readings whose clock was not believed; 1.8 and 2.x."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import aiohttp

from schemas.connections import InfluxConnection
from schemas.errors import ServerAccessError
from schemas.influxql import ask_influxql, influx_session
from schemas.measurements import DEFAULT_POLICY
from sinks.contract import Trouble
from sinks.influx import InfluxSink
from sinks.rows import FirstTime

# 1.8.10 looked through 3.6 million readings in three seconds; whoever hangs is asked again
_TIMEOUT: Final = aiohttp.ClientTimeout(total=120.0, sock_connect=5.0)
# 2.x hides from a token that may not read what is there; 1.8 answers it with 403
_UNSEEN: Final = ("database not found", "retention policy not found")


class InfluxClocks:
    """The rows of one InfluxDB; see `sinks.recall.WrittenClocks`.

    ``sink`` writes to the same: whether it may tells a missing right from a missing database.
    """

    def __init__(self, connection: InfluxConnection, sink: InfluxSink) -> None:
        self._connection = connection
        self._sink = sink

    async def since(self, measurement: str, from_ms: int, most: int) -> list[FirstTime] | Trouble:
        """The newest ``most`` such rows from ``from_ms`` on; see `WrittenClocks.since`."""
        # a row has device_ts, of any sign, only where its clock was not believed
        question = (
            f'SELECT "boot", "seq", "device_ts", "site", "device" '  # noqa: S608  # names of ours
            f'FROM "{DEFAULT_POLICY}"."{measurement}" '
            f'WHERE ("device_ts" >= 0 OR "device_ts" < 0) '
            f"AND time >= {from_ms}ms ORDER BY time DESC LIMIT {most}"
        )
        try:
            async with influx_session(self._connection, _TIMEOUT) as session:
                answer = await ask_influxql(session, self._connection, question, epoch="ms")
        except ServerAccessError as exc:
            return Trouble(str(exc))
        unseen = any(sign in answer.refusal for sign in _UNSEEN)
        if answer.status == HTTPStatus.FORBIDDEN or unseen:
            return await self._unreadable()
        if answer.refusal:
            return Trouble(
                f"InfluxDB can't be asked what it has of wrong clocks ({answer.refusal})"
            )
        return [
            FirstTime((site, device, boot, seq, device_ts), at_ms)
            for series in answer.series
            for at_ms, boot, seq, device_ts, site, device in series.rows
        ]

    async def _unreadable(self) -> Trouble:
        """What is missing: the right to read, or what can't be written either."""
        trouble = await self._sink.refusal()
        if trouble is not None:
            return trouble._replace(final=False)
        return Trouble(
            f"InfluxDB lets this token not read {self._connection.bucket(DEFAULT_POLICY)}: what "
            "comes again of a wrong clock after a restart becomes a second row; allow it to read, "
            "too",
            final=True,
        )
