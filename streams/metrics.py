"""What the stream processor counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from streams.outputs import Counts

_HELP = {
    "records": "Kafka records folded (envelopes and ticks)",
    "lines": "lines of envelopes taken in (received)",
    "accepted": "readings accepted",
    "duplicates": "readings whose name was known",
    "rejected": "lines that became dead letters",
    "unprovable": "readings accepted whose name is beyond the memory",
    "resets": "generations begun because a device's counters were reset",
    "late": "readings whose 10 s window had closed",
    "statuses": "device statuses",
    "replies": "replies to commands",
    "controls": "operator decisions",
    "outages": "gaps of the log that were outages of ours",
    "rollups": "rollup and throughput rows sent",
    "alerts": "alert state changes sent",
    "replayed": "lines skipped because their site had folded them before",
}


class StreamsMetrics(Collector):
    """Sums the partitions' counts when asked; counts of given-up partitions are kept."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register with ``registry``."""
        self._past = Counts()
        self._live: Callable[[], Iterable[Counts]] = tuple
        self._lag: Callable[[], dict[int, int]] = dict
        self.flushes = 0
        registry.register(self)

    def watch(
        self, live: Callable[[], Iterable[Counts]], lag: Callable[[], dict[int, int]]
    ) -> None:
        """Ask ``live`` for the counts of partitions held, ``lag`` for how far behind each is."""
        self._live = live
        self._lag = lag

    def keep(self, counts: Counts) -> None:
        """Keep the counts of a partition that is given up."""
        _add(self._past, counts)

    def totals(self) -> Counts:
        """The sum over all partitions, held and given up."""
        total = msgspec.structs.replace(self._past)
        for counts in self._live():
            _add(total, counts)
        return total

    def collect(self) -> Iterator[Metric]:
        """The metric families, as the registry asks for them."""
        for name, value in msgspec.structs.asdict(self.totals()).items():
            yield CounterMetricFamily(f"qala_streams_{name}", _HELP[name], value=value)
        yield CounterMetricFamily("qala_streams_flushes", "state flushes", value=self.flushes)
        lag = GaugeMetricFamily(
            "qala_streams_lag_records", "records not yet folded", labels=["partition"]
        )
        for partition, behind in self._lag().items():
            lag.add_metric([str(partition)], behind)
        yield lag


def _add(total: Counts, counts: Counts) -> None:
    for name in Counts.__struct_fields__:
        setattr(total, name, getattr(total, name) + getattr(counts, name))
