"""What the bridge has done, counted in plain integers and shown to Prometheus when it asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class BridgeCounts(Collector):
    """Counters of one bridge. ``received`` = accepted + rejected, in readings and the like.

    Of the accepted ones, ``refused`` are dead letters nevertheless: Kafka did not take them.
    Plain attributes, because a Prometheus counter costs as much as decoding a reading. What is
    held is asked for when Prometheus asks.
    """

    def __init__(self) -> None:
        """Begin at nothing."""
        self.messages = 0
        self.payload_bytes = 0
        self.readings = 0
        self.answers: Counter[str] = Counter(status=0, reply=0)
        self.rejected: Counter[str] = Counter()
        self.ignored: Counter[str] = Counter(command=0, cleared_status=0, copy=0)
        self.subscribed: Counter[str] = Counter(shared=0, ordinary=0)
        self.refused = 0
        self.unknown_fields = 0
        self.wrong_clocks = 0
        self.envelopes = 0
        self.ticks = 0
        self.connections = 0
        self.kafka_failures = 0
        self.outstanding: Callable[[], int] = lambda: 0
        self.backlog_bytes: Callable[[], int] = lambda: 0
        self.last_tick_us = 0

    def collect(self) -> Iterator[Metric]:
        """The counters as Prometheus metrics."""
        accepted = Counter({"reading": self.readings, **self.answers})
        received = accepted.total() + self.rejected.total()
        yield _counter("messages", "MQTT messages taken in", self.messages)
        yield _counter("payload_bytes", "Bytes of their payloads", self.payload_bytes)
        yield _counter("received", "Readings, statuses, replies and what is none", received)
        yield _labelled("accepted", "Lines for the log", "what", accepted)
        yield _labelled("rejected", "Dead letters", "reason", self.rejected)
        yield _counter("refused", "Accepted lines that Kafka refused: dead letters", self.refused)
        yield _labelled("ignored", "Messages that carry nothing for the log", "why", self.ignored)
        yield _counter("unknown_fields", "Fields taken off", self.unknown_fields)
        yield _counter("wrong_clocks", "Lines whose ts was not believed", self.wrong_clocks)
        yield _counter("envelopes", "Envelopes packed", self.envelopes)
        yield _counter("ticks", "Ticks, one a partition", self.ticks)
        yield _counter("connections", "Times MQTT was connected", self.connections)
        yield _counter("kafka_failures", "Times Kafka gave records up", self.kafka_failures)
        held = GaugeMetricFamily(
            "qala_bridge_subscribed", "Subscriptions to devices' data that are held", labels=["how"]
        )
        for how, number in self.subscribed.items():
            held.add_metric([how], number)
        yield held
        yield _gauge("outstanding", "Messages not acknowledged yet", self.outstanding())
        yield _gauge("backlog_bytes", "Bytes on their way to Kafka", self.backlog_bytes())
        yield _gauge("last_tick_seconds", "Clock at the last tick", self.last_tick_us / 1e6)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"qala_bridge_{name}", text, value=value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"qala_bridge_{name}", text, value=value)


def _labelled(name: str, text: str, label: str, values: Counter[str]) -> Metric:
    family = CounterMetricFamily(f"qala_bridge_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
