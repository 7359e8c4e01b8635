"""Topics, databases and retention, made as the contract has them; safe to repeat."""

from __future__ import annotations

from infra.provision.errors import PartitionCountError, ProvisionError, UnsupportedServerError
from infra.provision.influx import provision_influx
from infra.provision.kafka import partition_counts, provision_kafka
from infra.provision.tokens import make_tokens
from infra.provision.topics import topic_configs
from schemas.connections import InfluxConnection, KafkaConnection
from schemas.topics import DEFAULT_PARTITIONS

__all__ = [
    "PartitionCountError",
    "ProvisionError",
    "UnsupportedServerError",
    "make_tokens",
    "partition_counts",
    "provision",
    "provision_influx",
    "provision_kafka",
    "topic_configs",
]


async def provision(
    kafka: KafkaConnection,
    influx: InfluxConnection,
    *,
    partitions: int = DEFAULT_PARTITIONS,
    simulated_clock: bool = False,
) -> list[str]:
    """Make topics, database and retention; returns what was done, one line each.

    Nothing is done twice: where all is as it should be, the list is empty. An existing partition
    count is never changed; ``partitions`` counts for the first time only.

    Raises:
        ProvisionError: a server can't be reached, refuses, or holds what doesn't fit.
    """
    done = await provision_kafka(kafka, partitions=partitions, simulated_clock=simulated_clock)
    return done + await provision_influx(influx)
