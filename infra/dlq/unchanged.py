"""Which lines of an exported file still say what Kafka holds: nobody has mended them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from infra.dlq.errors import DeadLetterError
from infra.dlq.exported import entries
from infra.dlq.letters import Letter, Ref
from infra.dlq.opening import opened
from infra.dlq.topic import LetterTopic
from ingest.persons import PersonKey


async def unchanged_refs(
    topic: LetterTopic, file: Path, letters: Mapping[Ref, Letter], key: PersonKey | None
) -> set[Ref]:
    """The letters among ``letters`` whose topic and bytes are the same in ``file`` as in Kafka.

    An opened line of a sealed letter counts as changed where ``key`` can't open the letter:
    nothing is left out that may have been mended.

    Raises:
        DeadLetterError: the file can't be read.
        LookupFailedError: Kafka can't be read.
    """
    same_topic = {
        entry.ref: (entry.sealed, _digest(entry.payload))
        for entry in entries(file)
        if entry.ref in letters and entry.topic == letters[entry.ref].topic
    }
    found = set()
    async for ref, value in topic.bodies(same_topic.keys()):
        sealed, digest = same_topic[ref]
        try:
            body = value if sealed else opened(letters[ref], value, key)
        except DeadLetterError:
            continue
        if _digest(body) == digest:
            found.add(ref)
    return found


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()
