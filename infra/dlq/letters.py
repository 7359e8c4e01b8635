"""A dead letter without its bytes: what its headers say, and whether it was replayed. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec import Struct

from infra.dlq.errors import RefError
from ingest.persons import SEAL_BYTES
from schemas import deadletters
from schemas.envelope import header
from schemas.topics import MQTT_ROOT

_REF: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,18})\Z")
_SITE_LEVEL: Final = 2
_DEVICE_LEVEL: Final = 4

Headers = Iterable[tuple[str, bytes]]


class Ref(NamedTuple):
    """Where a letter is in its topic, which is its name: ``partition/offset``."""

    partition: int
    offset: int

    def __str__(self) -> str:
        """As `parse_ref` reads it."""
        return f"{self.partition}/{self.offset}"


def parse_ref(text: str) -> Ref:
    """The letter that ``text`` names.

    Raises:
        RefError: it is not PARTITION/OFFSET.
    """
    found = _REF.match(text)
    if found is None:
        raise RefError(f"'{text}' is not PARTITION/OFFSET; write for example 3/1042")
    return Ref(int(found[1]), int(found[2]))


class Mark(Struct, frozen=True):
    """The mark of a replay: when it was (ms since 1970), and what became of the letter.

    ``accepted`` counts readings, statuses and replies in the log, ``refused`` new letters.
    """

    ref: Ref
    at_ms: int
    accepted: int
    refused: int


class Letter(Struct):
    """One dead letter. ``written_ms`` is when it came into Kafka, ``size`` its bytes as they came.

    Sealing makes them more in Kafka; ``size`` is without that.

    ``rx_us`` is when the rejected input was received; ``whole_size`` and ``sha256`` are of the
    input before it was cut, None where it wasn't. ``marks`` are its replays, the first first.
    """

    ref: Ref
    written_ms: int
    size: int
    topic: str
    reason: str
    detail: str
    bridge: str
    rx_us: int | None = None
    index: int | None = None
    sealed: str | None = None
    whole_size: int | None = None
    sha256: str | None = None
    replay_of: Ref | None = None
    marks: tuple[Mark, ...] = ()

    @property
    def state(self) -> str:
        """``new``, ``replayed`` or ``refused again``; the last replay decides."""
        if not self.marks:
            return "new"
        return "refused again" if self.marks[-1].refused else "replayed"

    @property
    def kept(self) -> int:
        """Bytes of the input that are kept: all, where ``whole_size`` doesn't say more."""
        return self.size - (0 if self.sealed is None else SEAL_BYTES)

    @property
    def from_device(self) -> bool:
        """Whether it came over MQTT; others were refused on their way behind Kafka."""
        return self.topic.startswith(f"{MQTT_ROOT}/")

    @property
    def site(self) -> str | None:
        """The level of the topic where the site stands, whether it is an id or not."""
        return self._level(_SITE_LEVEL)

    @property
    def device(self) -> str | None:
        """The level of the topic where the device stands, whether it is an id or not."""
        return self._level(_DEVICE_LEVEL)

    def _level(self, number: int) -> str | None:
        levels = self.topic.split("/")
        return levels[number] if self.from_device and len(levels) > number else None


def letter_of(ref: Ref, written_ms: int, size: int, headers: Headers) -> Letter:
    """The letter that a record with these headers is; what a header lacks reads ``?``.

    ``size`` is that of the record's value, sealed or not.
    """
    told = list(headers)
    sealed = header(told, deadletters.HEADER_SEALED)

    def text(name: str) -> str:
        return header(told, name) or "?"

    replay_of = header(told, deadletters.HEADER_REPLAY_OF)
    return Letter(
        ref=ref,
        written_ms=written_ms,
        size=size if sealed is None else max(0, size - SEAL_BYTES),
        topic=text(deadletters.HEADER_TOPIC),
        reason=text(deadletters.HEADER_REASON),
        detail=text(deadletters.HEADER_DETAIL),
        bridge=text(deadletters.HEADER_BRIDGE),
        rx_us=_number(told, deadletters.HEADER_RX),
        index=_number(told, deadletters.HEADER_INDEX),
        sealed=sealed,
        whole_size=_number(told, deadletters.HEADER_SIZE),
        sha256=header(told, deadletters.HEADER_SHA256),
        replay_of=_ref(replay_of),
    )


def mark_of(at_ms: int, headers: Headers) -> Mark | None:
    """The mark that a record with these headers is; None where it names no letter."""
    told = list(headers)
    ref = _ref(header(told, deadletters.HEADER_REPLAYED))
    if ref is None:
        return None
    accepted = _number(told, deadletters.HEADER_ACCEPTED) or 0
    return Mark(ref, at_ms, accepted, _number(told, deadletters.HEADER_REFUSED) or 0)


def _ref(text: str | None) -> Ref | None:
    try:
        return None if text is None else parse_ref(text)
    except RefError:
        return None


def _number(headers: Headers, name: str) -> int | None:
    text = header(headers, name)
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,18}", text) else None
