"""Dead letters: rejected input as a Kafka record's value and headers. No I/O."""

from __future__ import annotations

import hashlib

from ingest.decode import Rejection
from ingest.persons import PersonKey
from schemas.deadletters import (
    HEADER_BRIDGE,
    HEADER_DETAIL,
    HEADER_INDEX,
    HEADER_REASON,
    HEADER_RX,
    HEADER_SEALED,
    HEADER_SHA256,
    HEADER_SIZE,
    HEADER_TOPIC,
    MAX_LETTER_BYTES,
)
from schemas.envelope import header

Headers = list[tuple[str, bytes]]


def dead_letter(
    rejection: Rejection, *, topic: str, rx_us: int, bridge: str, key: PersonKey
) -> tuple[bytes, Headers]:
    """Value and headers of one dead letter; sealed where it may hold a person's id.

    Bytes beyond `MAX_LETTER_BYTES` are cut; ``size`` and ``sha256`` are then those of the whole.
    """
    headers: Headers = [
        (HEADER_TOPIC, topic.encode()),
        (HEADER_RX, b"%d" % rx_us),
        (HEADER_REASON, rejection.reason.value.encode()),
        (HEADER_DETAIL, rejection.detail.encode()),
        (HEADER_BRIDGE, bridge.encode()),
    ]
    if rejection.index is not None:
        headers.append((HEADER_INDEX, b"%d" % rejection.index))
    body = rejection.body
    if len(body) > MAX_LETTER_BYTES:
        headers += _whole(body)
        body = body[:MAX_LETTER_BYTES]
    if rejection.personal:
        headers.append((HEADER_SEALED, key.sealed.encode()))
        body = key.seal(body)
    return body, headers


def shortened(value: bytes, headers: Headers, key: PersonKey) -> tuple[bytes, Headers] | None:
    """A letter with half of its bytes, for a topic that takes no larger ones; None without any.

    Raises:
        SealError: it is sealed, and ``key`` is not what it was sealed with.
    """
    sealed = header(headers, HEADER_SEALED)
    body = value if sealed is None else key.open(value, sealed)
    if not body:
        return None
    known = any(name == HEADER_SIZE for name, _ in headers)
    told = headers if known else [*headers, *_whole(body)]
    body = body[: len(body) // 2]
    return body if sealed is None else key.seal(body), told


def _whole(body: bytes) -> Headers:
    """What is told of bytes that are cut."""
    return [
        (HEADER_SIZE, b"%d" % len(body)),
        (HEADER_SHA256, hashlib.sha256(body).hexdigest().encode()),
    ]
