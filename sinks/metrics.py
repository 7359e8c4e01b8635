"""Prometheus metrics of the two sinks."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class InfluxMetrics:
    """Of ``qala sink influx``: accepted + expired + rejected = received, once all is written."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "qala_sink_influx_records_total", "Kafka records read", ["topic"], registry=registry
        )
        self.received = Counter(
            "qala_sink_influx_received_total",
            "Readings, rollups, alerts and device states read that should become a row",
            ["topic"],
            registry=registry,
        )
        self.accepted = Counter(
            "qala_sink_influx_accepted_total",
            "Rows that InfluxDB has answered for",
            ["policy"],
            registry=registry,
        )
        self.expired = Counter(
            "qala_sink_influx_expired_total",
            "Rows older than their policy keeps",
            registry=registry,
        )
        self.rejected = Counter(
            "qala_sink_influx_rejected_total",
            "Dead letters written",
            ["reason"],
            registry=registry,
        )
        self.retries = Counter(
            "qala_sink_influx_retries_total",
            "Writes repeated because of InfluxDB's absence",
            ["policy"],
            registry=registry,
        )
        self.waiting = Gauge(
            "qala_sink_influx_waiting_rows",
            "Rows in memory, not yet in InfluxDB",
            registry=registry,
        )
        self.lag = Gauge(
            "qala_sink_influx_lag_records",
            "Records of a topic not yet in InfluxDB",
            ["topic"],
            registry=registry,
        )
        self.delay = Histogram(
            "qala_sink_influx_delay_seconds",
            "From the bridge's receive time to InfluxDB's 204",
            registry=registry,
            buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300),
        )


class ChatMetrics:
    """Of ``qala sink chat``: accepted + duplicates + rejected + left = received, in the end."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "qala_sink_chat_records_total", "Alert records read", registry=registry
        )
        self.received = Counter(
            "qala_sink_chat_received_total",
            "Messages to tell, once for each channel",
            registry=registry,
        )
        self.accepted = Counter(
            "qala_sink_chat_accepted_total",
            "Messages that a channel has taken",
            ["channel"],
            registry=registry,
        )
        self.duplicates = Counter(
            "qala_sink_chat_duplicates_total",
            "Messages that a channel had already taken",
            ["channel"],
            registry=registry,
        )
        self.left = Counter(
            "qala_sink_chat_left_total",
            "Messages left to the copy that has their partition now",
            ["channel"],
            registry=registry,
        )
        self.rejected = Counter(
            "qala_sink_chat_rejected_total", "Records that hold no alert", registry=registry
        )
        self.retries = Counter(
            "qala_sink_chat_retries_total",
            "Sendings that a channel did not take",
            ["channel"],
            registry=registry,
        )

    def serves(self, channel: str) -> None:
        """Show the counters of ``channel`` from now on, at 0: who looks on sees what is served."""
        for counter in (self.accepted, self.duplicates, self.left, self.retries):
            counter.labels(channel)
