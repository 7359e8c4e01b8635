"""What an InfluxDB answer says about the lines it answers (1.8 and 2.x, both /api/v2/write)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from sinks.contract import Trouble

# The first form is that of 1.8, the second of 2.7. Each is looked for at the start: an unparsable
# line is quoted further on, and could hold the same words.
_EXPIRED: Final = re.compile(
    r"(?:failure writing points to database: )?partial write: "
    r"(?:points beyond retention policy dropped=(\d+)|dropped (\d+) points outside retention)"
)
_MISSING_POLICY: Final = "retention policy not found"
# 1.8 goes on answering so when there is room again, until it is restarted (1.8.10, tried): what
# failed once stays in the buffer of the file that it was appending to.
_FULL: Final = {
    "no space left on device": "has no room on its disk; make some, and restart it where it goes "
    "on saying so",
    "cache-max-memory-size exceeded": "has no room in memory for rows that are not in its files "
    "yet; does its disk keep up, and has it room?",
}
_OF_LINES: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
_WAITS: Final = {
    HTTPStatus.UNAUTHORIZED: "refuses the token; check QALA_INFLUX_TOKEN",
    HTTPStatus.FORBIDDEN: "lets this token not write to {bucket}; check QALA_INFLUX_TOKEN",
    HTTPStatus.NOT_FOUND: "has no {bucket}; run qala provision, or check QALA_INFLUX_ORG "
    "and QALA_INFLUX_DATABASE",
    HTTPStatus.TOO_MANY_REQUESTS: "asks for a slower pace (429)",
}
_REFUSALS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class Verdict:
    """One of: ``expired`` lines dropped and the rest written; ``refused``; ``trouble``.

    ``refused`` says why at least one of the lines was, without quoting any.
    """

    expired: int = 0
    refused: str | None = None
    trouble: Trouble | None = None


def judge(status: int, body: str, retry_after: str | None, bucket: str) -> Verdict:
    """The verdict of an answer that is not a 2xx; ``bucket`` only for its sentences."""
    message = _message(body)
    if status in _OF_LINES and (message or status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        expired = _EXPIRED.match(message)
        if expired:
            return Verdict(expired=int(expired[1] or expired[2]))
        return Verdict(refused=_why(status, message))
    if _MISSING_POLICY in message:  # 1.8 answers 500, as if it were its own fault
        status = HTTPStatus.NOT_FOUND
    told = _WAITS.get(HTTPStatus(status)) if status in _WAITS else None
    full = next((why for sign, why in _FULL.items() if sign in message), f"answers {status}")
    reason = told.format(bucket=bucket) if told else full
    return Verdict(
        trouble=Trouble(f"InfluxDB {reason}", _seconds(retry_after), final=status in _REFUSALS)
    )


def _message(body: str) -> str:
    """InfluxDB's own sentence; empty where the answer is not InfluxDB's (a proxy's page)."""
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(answer, dict):
        return ""
    return str(answer.get("message") or answer.get("error") or "")


def _why(status: int, message: str) -> str:
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return "the line is larger than InfluxDB takes"
    if "unable to parse" in message:
        return "InfluxDB cannot parse the line"
    if "field type conflict" in message:
        return "a field has another type in InfluxDB than in the schema"
    return f"InfluxDB refused the line ({status})"


def _seconds(retry_after: str | None) -> float | None:
    """Seconds of a Retry-After header; its other form, a date, is not sent by InfluxDB."""
    try:
        seconds = float(retry_after) if retry_after else None
    except ValueError:
        return None
    return seconds if seconds is not None and seconds >= 0 else None
