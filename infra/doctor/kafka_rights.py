"""Kafka's Metadata request, version 8: the first that tells what the asking user may do.

aiokafka speaks versions up to 5. The form is that of Kafka's ``MetadataRequest.json`` and
``MetadataResponse.json``; the numbers of operations are those of ``AclOperation``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

READ: Final = 3
WRITE: Final = 4
_NOT_TOLD: Final = -(2**31)
_METADATA: Final = 3
_VERSION: Final = 8


def allows(operations: int, operation: int) -> bool:
    """Whether a set of operations has this one; a server that tells nothing allows all."""
    return operations == _NOT_TOLD or bool(operations & (1 << operation))


def tells_rights(apis: Mapping[int, tuple[int, int]]) -> bool:
    """Whether a broker speaks this version (Kafka 2.3 and later): aiokafka fails where not."""
    oldest, newest = apis.get(_METADATA, (0, -1))
    return oldest <= _VERSION <= newest


class _Answer(Response):  # type: ignore[misc] # aiokafka ships no types
    API_KEY: ClassVar[int] = _METADATA
    API_VERSION: ClassVar[int] = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(
                ("node_id", Int32),
                ("host", String("utf-8")),
                ("port", Int32),
                ("rack", String("utf-8")),
            ),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
        ("cluster_operations", Int32),
    )


class _Question(RequestStruct):  # type: ignore[misc] # aiokafka ships no types
    API_KEY: ClassVar[int] = _METADATA
    API_VERSION: ClassVar[int] = _VERSION
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_operations", Boolean),
        ("include_topic_operations", Boolean),
    )


class RightsRequest(Request[_Question]):  # type: ignore[misc] # aiokafka ships no types
    """Brokers, partitions and rights of the topics named; none of them is made by asking."""

    API_KEY: ClassVar[int] = _METADATA

    def __init__(self, topics: tuple[str, ...]) -> None:
        """Ask about ``topics``, whether they are there or not."""
        self._topics = list(topics)

    def build(self, request_struct_class: type[_Question]) -> _Question:
        """What aiokafka sends."""
        return request_struct_class(self._topics, False, False, True)  # noqa: FBT003 - a wire form
