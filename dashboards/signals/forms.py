"""The forms that queries have: current values, histories of windows, rates, counts.

A query is bounded in time by ``$timeFilter`` (a history) or by an age of its own (a current
value). Rollups are read as the contract says: ``sum()``, ``min()`` and ``max()`` over the
window and the mean as ``sum(sum) / sum(count)``, so that the partial rows of late readings
count.
"""

from __future__ import annotations

from typing import Final, Literal

from schemas.measurements import POLICIES, rollup_fields

AT_SITE: Final = '"site" =~ /^${site:regex}$/'
AT_DEVICE: Final = f'{AT_SITE} AND "device" =~ /^${{device:regex}}$/'
BY_DEVICE: Final = ("site", "device")
RAW_KEEP_S: Final = POLICIES["raw"].keep_s or 0
AHEAD_S: Final = 5
"""A device's clock is believed up to this far ahead of the bridge's (contract §1)."""
CLOSED_S: Final = 15
"""A window that ended this long ago has been written."""


def raw(measurement: str) -> str:
    """A measurement of single rows."""
    return f'"raw"."{measurement}"'


def rollup(measurement: str) -> str:
    """A measurement of windows, in the policy that fits the reader's range."""
    return f'"r${{window:raw}}"."{measurement}_${{window:raw}}"'


def newest_windows(measurement: str) -> str:
    """A measurement's 10 s windows, for current values."""
    return f'"r10s"."{measurement}_10s"'


def select(what: str, source: str, *conditions: str, group: str = "") -> str:
    """One SELECT of a number: the column ``value``."""
    return subselect(f'{what} AS "value"', source, *conditions, group=group)


def subselect(what: str, source: str, *conditions: str, group: str = "") -> str:
    """A SELECT; its parts are names and conditions of this package, and Grafana's variables."""
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {what} FROM {source}{where}{group}"  # noqa: S608 - see above


def grouping(by: tuple[str, ...]) -> str:
    """GROUP BY tags; nothing for none."""
    return f" GROUP BY {', '.join(_quoted(by))}" if by else ""


def in_intervals(by: tuple[str, ...], fill: Literal["null", "none"] = "null") -> str:
    """GROUP BY the history's interval and tags. What has no data is null, or left out."""
    return f" GROUP BY {', '.join(['time($__interval)', *_quoted(by)])} fill({fill})"


def in_windows(by: tuple[str, ...], fill: Literal["null", "none", "0"] = "null") -> str:
    """GROUP BY the windows that are read, and tags. One without a row is null, left out, or 0."""
    return f" GROUP BY {', '.join(['time(${window:raw})', *_quoted(by)])} fill({fill})"


def within(seconds: int) -> str:
    """A condition: not older than this, and not ahead of the clock.

    InfluxQL alone sets no end: a row of a clock that ran ahead (a simulated one, say) would be
    the newest for as long as it lies ahead, and what vouches for others would vouch by it.
    """
    return f"{_younger(seconds)} AND time <= now() + {AHEAD_S}s"


def kept_raw() -> tuple[str, str]:
    """The conditions of a history of single rows: never further back than they are kept."""
    return ("$timeFilter", _younger(RAW_KEEP_S))


def last_value(source: str, field: str, *conditions: str, by: tuple[str, ...] = ()) -> str:
    """The newest value of each series."""
    return select(f'last("{field}")', source, *conditions, group=grouping(by))


def mean(reading_type: str, field: str, *conditions: str, by: tuple[str, ...]) -> str:
    """A field's mean over time."""
    what = f'sum("{field}_sum") / sum("{count_of(reading_type, field)}")'
    return history(what, reading_type, *conditions, by=by)


def count_of(reading_type: str, field: str) -> str:
    """The field of a window that says how many values of ``field`` are in it."""
    known = {each.name: each for each in rollup_fields(reading_type)}
    return f"{field}_count" if known[field].optional else "count"


def history(what: str, measurement: str, *conditions: str, by: tuple[str, ...]) -> str:
    """An aggregate of windows in each interval."""
    return select(what, rollup(measurement), "$timeFilter", *conditions, group=in_intervals(by))


def rate(measurement: str, field: str, per: str, *conditions: str, by: tuple[str, ...]) -> str:
    """How much of a field's sum comes in ``per`` (``1s``, ``1m``, ``1h``).

    The rise of the running total from window to window: an interval that is cut off by the
    range's end, or that holds a window more than its neighbour, has the same rate as they.
    A window without a row counts as 0, or else a mean of few busy windows would stand for a
    quiet interval; an interval without any row stays a gap, and one whose rows say 0 is 0.
    """
    windows = subselect(
        f'derivative(cumulative_sum(sum("{field}")), {per}) AS "rate", count("{field}") AS "rows"',
        rollup(measurement),
        "$timeFilter",
        f"time <= now() - ${{window:raw}} - {CLOSED_S}s",
        *conditions,
        group=in_windows(by, "0"),
    )
    means = subselect(
        'mean("rate") AS "rate", sum("rows") AS "rows"',
        f"({windows})",
        "$timeFilter",
        group=in_intervals(by),
    )
    return select('mean("rate")', f"({means})", "$timeFilter", '"rows" > 0', group=in_intervals(by))


def _younger(seconds: int) -> str:
    if seconds % 86_400 == 0:
        return f"time > now() - {seconds // 86_400}d"
    return f"time > now() - {seconds}s"


def _quoted(by: tuple[str, ...]) -> list[str]:
    return [f'"{tag}"' for tag in by]
