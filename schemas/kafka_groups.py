"""What Kafka says of a consumer group."""

from __future__ import annotations

from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code


class Member(NamedTuple):
    """A client that is in a group, as Kafka knows it."""

    client: str
    host: str


class Group(NamedTuple):
    """A group: Kafka's word for its state (``Stable``, ``Empty``, …), and who is in it."""

    state: str
    members: tuple[Member, ...]


async def described(admin: AIOKafkaAdminClient, name: str) -> Group:
    """Ask the coordinator of one group; aiokafka 0.14 can't read an answer about several.

    Raises:
        aiokafka.errors.KafkaError: Kafka does not tell (yet), or has no coordinator for it.
    """
    (answer,) = await admin.describe_consumer_groups([name])
    (found,) = answer.to_object()["groups"]
    if found["error_code"]:
        raise for_code(found["error_code"])
    members = (Member(one["client_id"], one["client_host"]) for one in found["members"])
    return Group(str(found["state"]), tuple(members))
