"""Asking Kafka: brokers, topics with their configuration and our rights, groups and their lag."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, for_code
from msgspec import Struct
from msgspec.structs import replace

from infra.doctor.finding import Away
from infra.doctor.kafka_rights import READ, WRITE, RightsRequest, allows, tells_rights
from schemas.connections import KafkaConnection
from schemas.errors import ConnectionSettingError, ServerAccessError
from schemas.kafka_access import knock
from schemas.kafka_groups import described
from schemas.topics import ALL_TOPICS

_REQUEST_MS: Final = 4000
_COORDINATOR_S: Final = 3.0
_AGAIN_S: Final = 0.1
_UNKNOWN_TOPIC: Final = 3


class TopicSeen(Struct, frozen=True, kw_only=True):
    """One topic. ``refused`` names Kafka's reason where it does not show it.

    ``leaderless`` and ``thin`` count partitions that have no leader, and those of which fewer
    copies are alive than there should be. ``configs`` is None where we may not see them.
    """

    name: str
    partitions: int = 0
    copies: int = 0
    leaderless: int = 0
    thin: int = 0
    alive_copies: int = 0
    may_read: bool = True
    may_write: bool = True
    refused: str | None = None
    configs: dict[str, str] | None = None


class GroupSeen(Struct, frozen=True, kw_only=True):
    """One consumer group. ``state`` is Kafka's word; ``lag`` in records, None without a place.

    ``refused`` names Kafka's reason for not showing it, ``forbidden`` says that it is for our
    lack of rights. ``expected`` is False of one that was found by how its name begins only.
    """

    name: str
    state: str
    members: int = 0
    lag: int | None = None
    refused: str | None = None
    forbidden: bool = False
    expected: bool = True


class KafkaSeen(Struct, frozen=True, kw_only=True):
    """What Kafka told. ``apis`` are the versions that it speaks, by number of the request.

    ``deaf`` are bootstrap servers that did not answer, with why. ``broker`` is the configuration
    of a broker, None where we may not see it.
    """

    user: str | None
    apis: dict[int, tuple[int, int]]
    brokers: int
    deaf: dict[str, str]
    topics: dict[str, TopicSeen]
    broker: dict[str, str] | None
    groups: tuple[GroupSeen, ...]
    cluster_id: str | None = None

    @classmethod
    def too_old(
        cls, kafka: KafkaConnection, apis: dict[int, tuple[int, int]], deaf: dict[str, str]
    ) -> KafkaSeen:
        """One that speaks too old a version of the requests for anything else to be asked."""
        return cls(
            user=_user(kafka), apis=apis, brokers=1, deaf=deaf, topics={}, broker=None, groups=()
        )


async def ask_kafka(
    kafka: KafkaConnection, groups: Iterable[str], *, family: str | None = None
) -> KafkaSeen | Away:
    """Look at everything of Kafka that Qala needs, and change nothing.

    Beside ``groups``, every group is looked at whose name begins with ``family`` and a dot.
    """
    deaf: dict[str, str] = {}
    first: Away | None = None
    for host, port, _ in collect_hosts(kafka.bootstrap, randomize=False):
        server = f"{host}:{port}"
        one = kafka.model_copy(update={"bootstrap": server})
        try:
            await knock(one, timeout_s=_REQUEST_MS / 1000)
        except (ServerAccessError, ConnectionSettingError) as exc:
            away = Away.told(exc, "QALA_KAFKA_BOOTSTRAP")
            first = first or away
            deaf[server] = away.what
            continue
        try:
            return await _look(one, host, port, deaf, groups, family)
        except (KafkaError, OSError, TimeoutError) as exc:
            return Away(
                f"Kafka at {server} stopped answering ({type(exc).__name__})",
                "see its log; where it runs, look again in some seconds",
            )
    return first or Away("QALA_KAFKA_BOOTSTRAP names no server", "set it to host:port")


async def _look(  # noqa: PLR0917 - as above, of one server
    kafka: KafkaConnection,
    host: str,
    port: int,
    deaf: dict[str, str],
    groups: Iterable[str],
    family: str | None,
) -> KafkaSeen:
    arguments = kafka.client_args()
    del arguments["bootstrap_servers"]
    connection = await create_conn(host, port, **arguments, request_timeout_ms=_REQUEST_MS)
    # the client knows, and has no way to ask
    apis: dict[int, tuple[int, int]] = dict(connection._versions)  # noqa: SLF001
    try:
        if not tells_rights(apis):
            return KafkaSeen.too_old(kafka, apis, deaf)
        told = await connection.send(RightsRequest(ALL_TOPICS))
    finally:
        await connection.close()
    topics = {seen.name: seen for seen in map(_topic, told.topics) if seen is not None}
    admin = AIOKafkaAdminClient(**kafka.client_args(), request_timeout_ms=_REQUEST_MS)
    try:
        await admin.start()
        configs, broker = await asyncio.gather(
            _configs(admin, [name for name, topic in topics.items() if not topic.refused]),
            _broker(admin, told.brokers[0][0]),
        )
        seen_groups = await _groups(kafka, admin, list(groups), family)
    finally:
        await admin.close()
    return KafkaSeen(
        user=_user(kafka),
        apis=apis,
        brokers=len(told.brokers),
        deaf=deaf,
        topics={name: replace(topic, configs=configs.get(name)) for name, topic in topics.items()},
        broker=broker,
        groups=seen_groups,
        cluster_id=told.cluster_id,
    )


def _user(kafka: KafkaConnection) -> str | None:
    return kafka.user if kafka.security.startswith("SASL") else None


def _topic(told: tuple[Any, ...]) -> TopicSeen | None:
    """One topic of the answer, or None where there is no such topic."""
    code, name, _, partitions, operations = told
    if code == _UNKNOWN_TOPIC:
        return None
    if code:
        return TopicSeen(name=name, refused=for_code(code).__name__)
    copies = [len(replicas) for *_, replicas, _, _ in partitions]
    alive = [len(in_sync) for *_, in_sync, _ in partitions]
    return TopicSeen(
        name=name,
        partitions=len(partitions),
        copies=min(copies, default=0),
        alive_copies=min(alive, default=0),
        leaderless=sum(leader < 0 for _, _, leader, *_ in partitions),
        thin=sum(have < want for have, want in zip(alive, copies, strict=True)),
        may_read=allows(operations, READ),
        may_write=allows(operations, WRITE),
    )


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    answers = await admin.describe_configs(resources)
    return {
        name: _values(entries)
        for answer in answers
        for code, _, _, name, entries in answer.resources
        if not code
    }


async def _broker(admin: AIOKafkaAdminClient, node: int) -> dict[str, str] | None:
    resource = ConfigResource(ConfigResourceType.BROKER, str(node))
    for answer in await admin.describe_configs([resource]):
        for code, _, _, _, entries in answer.resources:
            return None if code else _values(entries)
    return None


def _values(entries: Iterable[tuple[Any, ...]]) -> dict[str, str]:
    return {name: value for name, value, *_ in entries if value is not None}


async def _groups(
    kafka: KafkaConnection, admin: AIOKafkaAdminClient, names: list[str], family: str | None
) -> tuple[GroupSeen, ...]:
    others = [] if family is None else await _others(admin, names, f"{family}.")
    consumer = AIOKafkaConsumer(
        **kafka.client_args(), enable_auto_commit=False, request_timeout_ms=_REQUEST_MS
    )
    try:
        await consumer.start()
        await asyncio.sleep(0)  # one that is stopped before its tasks ran raises (aiokafka 0.14)
        seen = [await _group(consumer, admin, name) for name in names]
        found = [await _group(consumer, admin, name) for name in others]
        return (*seen, *(replace(group, expected=False) for group in found))
    finally:
        await consumer.stop()


async def _others(admin: AIOKafkaAdminClient, names: list[str], prefix: str) -> list[str]:
    """Groups beside ``names`` whose names begin with ``prefix``; none where Kafka lists none."""
    try:
        known = await admin.list_consumer_groups()
    except KafkaError:
        return []
    return sorted(name for name, *_ in known if name.startswith(prefix) and name not in names)


async def _group(consumer: Any, admin: AIOKafkaAdminClient, name: str) -> GroupSeen:  # noqa: ANN401 - untyped
    loop = asyncio.get_running_loop()
    until = loop.time() + _COORDINATOR_S
    while True:
        try:
            group = await described(admin, name)
            places = await admin.list_consumer_group_offsets(name)
            break
        except GroupAuthorizationFailedError as exc:
            return GroupSeen(name=name, state="?", refused=type(exc).__name__, forbidden=True)
        except KafkaError as exc:
            # a Kafka that has never had a group makes a place for them now
            if not exc.retriable or loop.time() > until:
                return GroupSeen(name=name, state="?", refused=type(exc).__name__)
            await asyncio.sleep(_AGAIN_S)
    known = {place: at.offset for place, at in places.items() if at.offset >= 0}
    lag = await _lag(consumer, known)
    return GroupSeen(name=name, state=group.state, members=len(group.members), lag=lag)


async def _lag(consumer: Any, places: Mapping[TopicPartition, int]) -> int | None:  # noqa: ANN401 - untyped
    if not places:
        return None
    try:
        ends = await consumer.end_offsets(list(places))
    except KafkaError:  # a topic that was read once is gone; `topics` says so
        return None
    return sum(max(int(ends[place]) - at, 0) for place, at in places.items())
