"""InfluxQL as boards write it, with Grafana's macros and variables, and as InfluxDB takes it.

Boards use few of Grafana's forms, so that anybody can fill them in: ``$timeFilter``,
``$__interval``, ``$__interval_ms``, ``${name:regex}`` for tag values between ``/^`` and ``$/``,
and ``${name:raw}``. Grafana fills them in itself; `interpolate` does it for everybody else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from dashboards.errors import QueryError
from schemas.records import WINDOW_MS, Window

ALL: Final = "$__all"
"""The value of a variable that stands for all of them, as Grafana has it in its links."""
MOST_POINTS: Final = 360
"""A history has at most this many points: of the usual ranges it makes whole windows."""

Choice = str | Sequence[str]
"""What is chosen for a variable: one value, several, or `ALL`."""

VARIABLE: Final = re.compile(r"\$\{(\w+)(?::(\w+))?\}")
_NOW: Final = re.compile(r"\bnow\(\)")
_STEPS_S: Final = (
    *(10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200),
    *(86_400, 7 * 86_400, 30 * 86_400),
)


def variables_in(text: str) -> frozenset[str]:
    """The names of the variables that a query, a link or a title uses."""
    return frozenset(name for name, _ in VARIABLE.findall(text))


def interval_ms(range_ms: int, window: Window) -> int:
    """How long each interval of a history is: whole windows, at most `MOST_POINTS` of them."""
    shortest = max(WINDOW_MS[window], range_ms // MOST_POINTS)
    steps = (step * 1000 for step in _STEPS_S if step * 1000 % WINDOW_MS[window] == 0)
    return next((step for step in steps if step >= shortest), _STEPS_S[-1] * 1000)


def interpolate(
    query: str,
    variables: Mapping[str, Choice],
    *,
    start_ms: int,
    end_ms: int,
    interval_ms: int,
    now_ms: int | None = None,
) -> str:
    """The query as InfluxDB takes it, for the times from ``start_ms`` to ``end_ms``.

    Where ``now_ms`` is given it stands for ``now()``, so a past moment can be looked at.

    Raises:
        QueryError: the query uses a variable that ``variables`` lacks, or in another form.
    """
    text = VARIABLE.sub(lambda match: _value(match, variables), query)
    text = text.replace("$timeFilter", f"time >= {start_ms}ms and time <= {end_ms}ms")
    text = text.replace("$__interval_ms", str(interval_ms))
    text = text.replace("$__interval", f"{interval_ms}ms")
    return text if now_ms is None else _NOW.sub(f"{now_ms}ms", text)


def _value(match: re.Match[str], variables: Mapping[str, Choice]) -> str:
    name, form = match.groups()
    if name not in variables:
        raise QueryError(f"a query uses the variable {name!r}; give it a value")
    chosen = variables[name]
    if form == "regex":
        return _pattern(chosen)
    if form == "raw" and isinstance(chosen, str) and chosen != ALL:
        return chosen
    raise QueryError(f"the variable {name!r} can't be written as {form!r}; use regex, or raw")


def _pattern(chosen: Choice) -> str:
    """An expression that matches what is chosen; a slash would end it in InfluxQL."""
    if chosen == ALL:
        return ".*"
    values = [chosen] if isinstance(chosen, str) else list(chosen)
    return f"({'|'.join(re.escape(value).replace('/', chr(92) + '/') for value in values)})"
