"""Whether Kafka lets a client in, asked with one connection before a client is made.

aiokafka's clients only log what Kafka answers, several lines for each attempt, and raise the
same "unable to bootstrap" for a wrong password and for a cable that is not plugged in. One that
knocked first can say what is wrong in a sentence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.metadata import MetadataRequest

from schemas.access import KAFKA, access_error, closed_early
from schemas.connections import KafkaConnection
from schemas.errors import ServerAccessError, ServerRefusedError

KNOCK_TIMEOUT_S: Final = 10.0


async def knock(
    kafka: KafkaConnection,
    *,
    topics: Sequence[str] = (),
    group: str | None = None,
    timeout_s: float = KNOCK_TIMEOUT_S,
) -> None:
    """Connect to the first server that lets us in, as every client would, and hang up.

    Of ``topics`` and the consumer group ``group`` it is asked whether this user has any right
    on them: without one a client fails later, and Faust's waits without a word. A topic that
    is not there is no refusal.

    Raises:
        ServerRefusedError: a server answers and does not let us in; it is the one that tells.
        ServerAwayError: none answers.
        ConnectionSettingError: the security settings are not whole.
    """
    errors: list[ServerAccessError] = []
    arguments = kafka.client_args()
    for host, port, _ in collect_hosts(arguments.pop("bootstrap_servers"), randomize=False):
        try:
            async with asyncio.timeout(timeout_s):
                connection = await create_conn(
                    host, port, request_timeout_ms=round(timeout_s * 1000), **arguments
                )
                await _greet(connection, topics, group, kafka)
        except ServerRefusedError as exc:
            errors.append(exc)
        except (KafkaError, OSError, TimeoutError) as exc:
            error = _judged(kafka, f"{host}:{port}", exc)
            error.__cause__ = exc
            errors.append(error)
        else:
            return
    raise min(errors, key=lambda error: error.retryable)


async def _greet(
    connection: AIOKafkaConnection, topics: Sequence[str], group: str | None, kafka: KafkaConnection
) -> None:
    # a server that wants a user answers the question for its version, and nothing after it
    try:
        known = await connection.send(
            MetadataRequest(list(topics), allow_auto_topic_creation=False)
        )
        for code, topic, *_ in known.topics:
            if code == TopicAuthorizationFailedError.errno:
                raise _without_right(kafka, f"topic {topic}")
        if group is not None:
            found = await connection.send(FindCoordinatorRequest(group, 0))
            if found.error_code == GroupAuthorizationFailedError.errno:
                raise _without_right(kafka, f"consumer group {group}")
    finally:
        await connection.close()


def _without_right(kafka: KafkaConnection, what: str) -> ServerRefusedError:
    return ServerRefusedError(
        f"Kafka at {kafka} gives user '{kafka.user or 'ANONYMOUS'}' no right on {what}; allow it "
        "in Kafka's access list, as infra/deploy/kafka/acls.sh does"
    )


def _judged(kafka: KafkaConnection, address: str, exc: Exception) -> ServerAccessError:
    if isinstance(exc, SaslAuthenticationFailed):
        return ServerRefusedError(
            f"Kafka at {address} refuses user '{kafka.user}' or its password; check "
            "QALA_KAFKA_USER, QALA_KAFKA_PASSWORD and QALA_KAFKA_MECHANISM"
        )
    if isinstance(exc, UnsupportedSaslMechanismError):
        return ServerRefusedError(
            f"Kafka at {address} does not offer {kafka.mechanism}; set QALA_KAFKA_MECHANISM to "
            "what it offers"
        )
    if isinstance(exc, IllegalSaslStateError):
        return ServerRefusedError(
            f"Kafka at {address} takes no user on this port; name another one in "
            "QALA_KAFKA_BOOTSTRAP, or set QALA_KAFKA_SECURITY to PLAINTEXT or SSL"
        )
    if isinstance(exc, KafkaError):
        return closed_early(KAFKA, address, tls=kafka.tls)
    return access_error(KAFKA, address, exc, tls=kafka.tls)
