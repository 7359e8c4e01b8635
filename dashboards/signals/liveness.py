"""What vouches for current values: that every partition's clock ticks on, and its rows arrive.

A stage writes a row for each partition with the partition's clock as its time and the share
of all partitions that it is. So the shares of rows younger than ten seconds add up to 1 where
everything is live. The second source adds nothing but a 0 where nothing has ticked for ten
seconds: that makes "not live" a number, so a table can say "unknown" in each of its cells.
"""

from __future__ import annotations

from typing import Final

from dashboards.model import Liveness, Signal
from dashboards.signals.forms import RAW_KEEP_S, last_value, raw, select, subselect, within
from schemas.measurements import TICK_LIMIT_S


def _live_share(stage: str) -> str:
    def shares(factor: str, bound_s: int) -> str:
        what = f'{factor}last("share") AS "share"'
        mine = f"\"stage\" = '{stage}'"
        group = ' GROUP BY "partition"'
        return f"({subselect(what, raw('pipeline'), mine, within(bound_s), group=group)})"

    return select('sum("share")', f"{shares('', TICK_LIMIT_S)}, {shares('0 * ', RAW_KEEP_S)}")


STREAMS: Final = Liveness(stage="streams", title="Worker", query=_live_share("streams"))
"""For what the worker makes: windows, throughput, alerts, device states."""
SINK: Final = Liveness(stage="sink-influx", title="Readings", query=_live_share("sink-influx"))
"""For raw readings."""


def _live(liveness: Liveness, name: str, title: str, description: str) -> Signal:
    return Signal(
        name=name,
        title=title,
        query=liveness.query,
        unit="1",
        kind="now",
        measurement="pipeline",
        description=description,
        liveness=liveness,
        bound_s=TICK_LIMIT_S,
    )


def _tick(stage: str, name: str, by: tuple[str, ...] = ()) -> Signal:
    return Signal(
        name=name,
        title="Last tick",
        query=last_value(
            raw("pipeline"),
            "share",
            f"\"stage\" = '{stage}'",
            "\"partition\" != ''",
            within(RAW_KEEP_S),
            by=by,
        ),
        unit="",
        kind="age",
        measurement="pipeline",
        description="When the newest tick was, by the clock of the log.",
        by=by,
        bound_s=RAW_KEEP_S,
    )


worker_live = _live(
    STREAMS,
    "worker_live",
    "Worker",
    "The share of partitions whose ticks of the last 10 s the worker has folded.",
)
sink_live = _live(
    SINK,
    "sink_live",
    "Readings",
    "The share of partitions whose readings are rows up to a tick of the last 10 s.",
)
worker_tick = _tick("streams", "worker_tick")
sink_tick = _tick("sink-influx", "sink_tick")
worker_ticks = _tick("streams", "worker_ticks", ("partition",))
