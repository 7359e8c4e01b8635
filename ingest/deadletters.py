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

Headers = list[tuple[str, bytes]]


def dead_letter(
    rejection: Rejection, *, topic: str, rx_us: int, bridge: str, key: PersonKey
) -> tuple[bytes, Headers]:
    """Value and headers of one dead letter; sealed where it may hold a person's id.

    Bytes beyond `MAX_LETTER_BYTES` are cut; ``size`` and ``sha256`` are then those of the whole.
    """
    body = rejection.body
    headers: Headers = [
        (HEADER_TOPIC, topic.encode()),
        (HEADER_RX, b"%d" % rx_us),
        (HEADER_REASON, rejection.reason.value.encode()),
        (HEADER_DETAIL, rejection.detail.encode()),
        (HEADER_BRIDGE, bridge.encode()),
    ]
    if rejection.index is not None:
        headers.append((HEADER_INDEX, b"%d" % rejection.index))
    if len(body) > MAX_LETTER_BYTES:
        headers.append((HEADER_SIZE, b"%d" % len(body)))
        headers.append((HEADER_SHA256, hashlib.sha256(body).hexdigest().encode()))
        body = body[:MAX_LETTER_BYTES]
    if rejection.personal:
        headers.append((HEADER_SEALED, key.sealed.encode()))
        body = key.seal(body)
    return body, headers
