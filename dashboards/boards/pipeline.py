"""Qala itself: rates, lag, delay, rejections and ticks of each stage."""

from __future__ import annotations

from dashboards.boards import parts
from dashboards.limits import Limits
from dashboards.model import RAW_SPANS, Board, Section, Shown, Signal, Stat, Step, Table, TimeSeries
from dashboards.signals import chat, liveness, pipeline, simulated, states
from schemas.deadletters import REPLAY_BRIDGE
from schemas.measurements import TICK_LIMIT_S


def pipeline_board(_limits: Limits) -> Board:
    """Qala itself."""
    return Board(
        uid="qala-pipeline",
        title="Pipeline",
        spans=RAW_SPANS,
        description="Qala itself: rates, lag, delay, rejections, ticks of each stage.",
        sections=(
            Section(title="Now", panels=(*_pipeline_tiles(), *_pipeline_tables())),
            Section(title="Over time", panels=_pipeline_histories()),
        ),
    )


def _pipeline_tiles() -> tuple[Stat, ...]:
    def lag(topic: str) -> Shown:
        title = topic.capitalize()
        signal = pipeline.total_now("sink-influx", f"lag_{topic}", title, "records")
        return Shown(signal=signal, age=pipeline.told("sink-influx", f"lag_{topic}"))

    def seconds(field: str, title: str, age: Signal) -> Shown:
        signal = pipeline.highest_now("sink-influx", field, title, "s")
        return Shown(signal=signal, decimals=2, age=age)

    rows_told = pipeline.told("sink-influx", "accepted")
    bridge_age, device_age = (
        pipeline.told("sink-influx", field) for field in ("delay_p50_s", "age_p50_s")
    )
    return (
        Stat(
            title="Live",
            description="Live where every partition has ticked within 10 s.",
            values=(
                Shown(signal=liveness.sink_live, words=parts.LIVE, age=liveness.sink_tick),
                Shown(signal=liveness.worker_live, words=parts.LIVE),
                parts.absent_bridges(),
                parts.made_up(
                    simulated.devices_now(at_site=False), states.newest_told(at_site=False)
                ),
            ),
            age=liveness.worker_tick,
            width=5,
        ),
        Stat(
            title="Flow",
            description="Distinct readings of the worker, and rows of InfluxDB (readings, windows, "
            f"alerts, states), a second: the mean of the last {pipeline.RATE_S} s.",
            values=(
                Shown(
                    signal=pipeline.rate_now("streams", "accepted", "Readings"),
                    decimals=1,
                    age=pipeline.told("streams", "accepted"),
                ),
                Shown(signal=pipeline.rate_now("sink-influx", "accepted", "Rows"), decimals=1),
            ),
            age=rows_told,
            width=4,
        ),
        Stat(
            title="Lag",
            description="Records that the InfluxDB sink has not read yet, by topic.",
            values=tuple(lag(topic) for topic in pipeline.LAG_TOPICS),
            age=pipeline.told("sink-influx", "lag_telemetry"),
            width=4,
        ),
        Stat(
            title="Delay to row",
            description="From the bridge's receipt, and from the device's own time, to "
            "InfluxDB's confirmation.",
            values=(
                seconds("delay_p50_s", "Bridge, p50", bridge_age),
                seconds("delay_p99_s", "p99", bridge_age),
                seconds("age_p50_s", "Device, p50", device_age),
                seconds("age_p99_s", "p99", device_age),
            ),
            age=bridge_age,
            width=6,
        ),
        Stat(
            title="Chat",
            description="Whether alerts reach the chats: channels that nobody serves, or for which "
            "alerts have waited for two minutes; as the InfluxDB sink sees it in Kafka.",
            values=(
                Shown(signal=chat.behind, title="Behind", steps=parts.NONE_IS_GOOD),
                Shown(signal=chat.channels),
                Shown(signal=chat.waiting, age=chat.lag_told),
            ),
            age=chat.told,
            width=5,
        ),
    )


def _pipeline_tables() -> tuple[Table, ...]:
    def each(field: str, title: str, unit: str, decimals: int = 0) -> Shown:
        return Shown(signal=pipeline.each_now("streams", field, title, unit), decimals=decimals)

    late_ticks = (Step(None, "good"), Step(TICK_LIMIT_S, "bad"))
    return (
        Table(
            title="Partitions",
            description="How far the worker is, and what it counted since it took each over.",
            rows=liveness.worker_ticks,
            age_title="Last tick",
            columns=(
                each("behind_s", "Behind", "s", 1),
                each("accepted", "Accepted", "readings"),
                each("duplicates", "Duplicates", "readings"),
                each("late", "Late", "readings"),
                each("rejected", "Rejected", "readings"),
                each("outages", "Outages", ""),
            ),
            width=14,
        ),
        Table(
            title="Bridges",
            description="When each bridge last ticked, as the InfluxDB sink saw it. "
            "`qala dlq replay` writes as bridges do, and is not among them.",
            rows=pipeline.told("bridge", "lines", ("instance",), but=REPLAY_BRIDGE),
            age_title="Told",
            columns=(
                Shown(
                    signal=pipeline.each_now("bridge", "tick_age_s", "Age of tick", "s"),
                    steps=late_ticks,
                    decimals=1,
                ),
            ),
            width=10,
        ),
    )


def _pipeline_histories() -> tuple[TimeSeries, ...]:
    def chart(title: str, description: str, *lines: Shown) -> TimeSeries:
        return TimeSeries(title=title, description=description, lines=lines, lowest=0)

    def rate(stage: pipeline.Stage, field: str, title: str) -> Shown:
        return Shown(signal=pipeline.rate(stage, field, title), decimals=1)

    def gauge(field: str, title: str, unit: str) -> Shown:
        return Shown(signal=pipeline.gauge("sink-influx", field, title, unit))

    return (
        chart(
            "Flow",
            "Lines of bridges, distinct readings of the worker, rows of InfluxDB (readings, "
            "windows, alerts, states), a second.",
            rate("bridge", "lines", "Lines, bridges"),
            rate("streams", "accepted", "Readings, worker"),
            rate("sink-influx", "accepted", "Rows, InfluxDB"),
        ),
        chart(
            "Lag",
            "Records that the InfluxDB sink has not read yet: the highest in each interval.",
            *(
                gauge(f"lag_{topic}", topic.capitalize(), "records")
                for topic in pipeline.LAG_TOPICS
            ),
        ),
        chart(
            "Delay to row",
            "From receipt, and from the device's own time, to InfluxDB's confirmation.",
            gauge("delay_p50_s", "Bridge, p50", "s"),
            gauge("delay_p99_s", "Bridge, p99", "s"),
            gauge("age_p50_s", "Device, p50", "s"),
            gauge("age_p99_s", "Device, p99", "s"),
        ),
        chart(
            "Not accepted",
            "Duplicates, late and rejected readings of the worker; rows too old for their policy.",
            rate("streams", "duplicates", "Duplicates"),
            rate("streams", "late", "Late"),
            rate("streams", "rejected", "Rejected by worker"),
            rate("sink-influx", "rejected", "Rejected by sink"),
            rate("sink-influx", "expired", "Expired"),
        ),
        chart(
            "Dead letters",
            "Dead letters a second, by reason.",
            Shown(signal=pipeline.rate("dead-letters", "letters", "Letters", by=("reason",))),
        ),
        chart(
            "Behind",
            "How far each partition's worker is behind the wall clock. Nothing where the clock is "
            "simulated.",
            Shown(signal=pipeline.gauge("streams", "behind_s", "Behind", "s", by=("partition",))),
        ),
        chart(
            "Age of ticks",
            "How old each bridge's last tick was.",
            Shown(signal=pipeline.gauge("bridge", "tick_age_s", "Age", "s", by=("instance",))),
        ),
        chart(
            "Bytes from bridges",
            "Bytes of envelopes a second.",
            Shown(signal=pipeline.rate("bridge", "bytes", "Bytes", "B/s", by=("instance",))),
        ),
    )
