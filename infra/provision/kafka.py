"""Kafka's topics: made once, their configuration kept as the contract has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from infra.provision.errors import PartitionCountError, ProvisionError
from infra.provision.topics import TIME_LIMITS, topic_configs
from schemas.connections import KafkaConnection
from schemas.errors import ServerAccessError
from schemas.kafka_access import knock
from schemas.topics import ALL_TOPICS, TELEMETRY

# Source of a value in DescribeConfigs: set on the topic itself
_TOPIC_CONFIG: Final = 1
_TOPIC_EXISTS: Final = 36
_LEADER_TIMEOUT_S: Final = 15.0
_POLL_S: Final = 0.05


async def provision_kafka(
    kafka: KafkaConnection, *, partitions: int, simulated_clock: bool
) -> list[str]:
    """Make what is missing and mend what differs; returns what was done, one line each.

    The partition count is that of the telemetry topic where it exists: sites live in partitions.

    Raises:
        PartitionCountError: an existing topic has another partition count than telemetry.
        ProvisionError: Kafka can't be reached or refuses.
    """
    try:
        async with _admin(kafka) as admin:
            existing = await _partition_counts(admin)
            count = _agreed_count(existing, partitions)
            missing: dict[str, dict[str, str]] = {}
            present: dict[str, dict[str, str]] = {}
            for topic in ALL_TOPICS:
                configs = topic_configs(topic, simulated_clock=simulated_clock)
                (present if topic in existing else missing)[topic] = configs
            done = await _create(admin, missing, count) + await _mend(admin, present)
            if existing and count != partitions:
                done.append(f"Kafka: topics keep their {count} partitions")
            return done
    except KafkaError as exc:
        raise ProvisionError(f"Kafka at {kafka}: {exc}; is it running?") from exc


async def partition_counts(kafka: KafkaConnection) -> dict[str, int]:
    """Partition counts of Qala's topics that exist.

    Raises:
        ProvisionError: Kafka can't be reached.
    """
    try:
        async with _admin(kafka) as admin:
            return await _partition_counts(admin)
    except KafkaError as exc:
        raise ProvisionError(f"Kafka at {kafka}: {exc}; is it running?") from exc


@asynccontextmanager
async def _admin(kafka: KafkaConnection) -> AsyncIterator[AIOKafkaAdminClient]:
    try:
        await knock(kafka)
    except ServerAccessError as exc:
        raise ProvisionError(str(exc)) from exc
    admin = AIOKafkaAdminClient(**kafka.client_args(), request_timeout_ms=20_000)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    found = await admin.describe_topics()
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in found
        if topic["topic"] in ALL_TOPICS
        and not topic["error_code"]
        and not any(partition["error_code"] for partition in topic["partitions"])
    }


def _agreed_count(existing: Mapping[str, int], asked: int) -> int:
    count = existing.get(TELEMETRY, next(iter(existing.values()), asked))
    for topic, has in existing.items():
        if has != count:
            raise PartitionCountError(
                f"topic {topic} has {has} partitions and {TELEMETRY} {count}; all need the same "
                "count, or a site's results are looked for in the wrong place: "
                f"delete {topic} and provision again"
            )
    return count


async def _create(
    admin: AIOKafkaAdminClient, missing: Mapping[str, dict[str, str]], partitions: int
) -> list[str]:
    if not missing:
        return []
    # -1: as many copies as the cluster's own default says; aiokafka takes it with an assignment
    # that assigns nothing
    new = [
        NewTopic(name, partitions, -1, replica_assignments={}, topic_configs=configs)
        for name, configs in missing.items()
    ]
    answer = await admin.create_topics(new)
    done = []
    for topic, code, *detail in answer.topic_errors:
        if code == _TOPIC_EXISTS:  # someone else provisions at the same time
            continue
        if code:
            raise ProvisionError(f"Kafka refused topic {topic}: {_reason(code, detail)}")
        done.append(f"Kafka: made {topic} with {partitions} partitions")
    # once more: another program may have made one of them meanwhile
    _agreed_count(await _counts_with_leaders(admin, missing.keys()), partitions)
    return done


async def _counts_with_leaders(
    admin: AIOKafkaAdminClient, topics: AbstractSet[str]
) -> dict[str, int]:
    """Partition counts as soon as all ``topics`` have leaders: from then on they can be used."""
    try:
        async with asyncio.timeout(_LEADER_TIMEOUT_S):
            while not topics <= (counts := await _partition_counts(admin)).keys():
                await asyncio.sleep(_POLL_S)
            return counts
    except TimeoutError as exc:
        raise ProvisionError(
            f"Kafka made topics that have no leader after {_LEADER_TIMEOUT_S:.0f} s; see its log"
        ) from exc


async def _mend(admin: AIOKafkaAdminClient, wanted: Mapping[str, dict[str, str]]) -> list[str]:
    if not wanted:
        return []
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in wanted]
    (described,) = await admin.describe_configs(resources)
    done = []
    for code, detail, _, topic, entries in described.resources:
        if code:
            raise ProvisionError(f"Kafka won't show topic {topic}: {_reason(code, [detail])}")
        own = {name: value for name, value, _, source, *_ in entries if source == _TOPIC_CONFIG}
        changed = _changes(own, wanted[topic])
        if changed:
            await _alter(admin, topic, _merged(own, wanted[topic]))
            done.append(f"Kafka: set {', '.join(changed)} of {topic}")
    return done


def _changes(own: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    differing = {name for name, value in wanted.items() if own.get(name) != value}
    return sorted(differing | {name for name in TIME_LIMITS if name in own and name not in wanted})


def _merged(own: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    # what an operator has set beside ours stays; what a simulated clock had set goes
    kept = {name: value for name, value in own.items() if name not in TIME_LIMITS}
    return {**kept, **wanted}


async def _alter(admin: AIOKafkaAdminClient, topic: str, configs: dict[str, str]) -> None:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs)
    (answer,) = await admin.alter_configs([resource])
    for code, detail, *_ in answer.resources:
        if code:
            raise ProvisionError(f"Kafka refused to set {topic}: {_reason(code, [detail])}")


def _reason(code: int, detail: list[Any]) -> str:
    error = for_code(code)
    said = next((str(part) for part in detail if part), error.description or "")
    return f"{error.__name__}: {said}"
