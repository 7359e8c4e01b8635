"""The worker's state in ``qala.state.v1``: how it is encoded, and how it is put together.

A value is a snapshot of the log at its own offset F, with the clock as of F inside. Keys are
``header`` and ``{site}/{chunk}``; all chunks of a site are written in one Kafka record batch,
so they share their F. What a worker that lost its partition still writes is merely older: the
log is then read again from further back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from zlib import crc32

import msgspec
from msgspec import Struct

from streams.errors import StateError
from streams.log_clock import LogClock
from streams.migrate import VERSION, migrated

HEADER_KEY: Final = b"header"
MAX_VALUE_BYTES: Final = 900_000
MAX_CONTENT_BYTES: Final = MAX_VALUE_BYTES - 1000


class SiteState(Struct):
    """One site at the offset ``fence``; ``chunks`` are those of `streams.site.Site.snapshot`.

    They are encoded at once (`encoded`): the fold goes on while a flush waits for Kafka.
    """

    name: str
    fence: int
    clock: LogClock
    chunks: list[msgspec.Raw]


class Mark(Struct, array_like=True, frozen=True):
    """What the log held at an offset, by which it is told from one that was made anew.

    ``crc`` is the CRC-32 of the record's value, 0 for a tick.
    """

    offset: int
    timestamp_ms: int
    crc: int

    @classmethod
    def of(cls, offset: int, timestamp_ms: int, value: bytes | None) -> Mark:
        """The mark of a record."""
        return cls(offset, timestamp_ms, crc32(value or b""))


class State(Struct):
    """A partition at the offset ``last``, with the sites that a flush writes or a load found.

    Windows that start before ``begun_ms`` are not whole: the log was cut before the first fold.
    ``mark`` is of the header's own offset; ``rules`` is the version of the rules it was made by.
    """

    last: int
    clock: LogClock
    sites: list[SiteState]
    begun_ms: int = 0
    mark: Mark | None = None
    rules: str = ""


_NIL: Final = msgspec.Raw(b"\xc0")


class _Value(Struct, array_like=True):
    version: int
    fence: int
    clock: LogClock
    chunk: int = 0
    chunks: int = 0
    content: msgspec.Raw = _NIL
    mark: Mark | None = None
    begun_ms: int = 0
    rules: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Value)

Record = tuple[bytes, bytes]


def encoded(chunk: list[Any]) -> Iterator[msgspec.Raw]:
    """A chunk as it is now, whatever the fold changes later; in parts where it is too large."""
    content = _encoder.encode(chunk)
    meters, devices = chunk
    if len(content) <= MAX_CONTENT_BYTES or len(devices) <= 1:
        yield msgspec.Raw(content)
        return
    half = len(devices) // 2
    yield from encoded([meters, devices[:half]])
    yield from encoded([[], devices[half:]])


def decoded(chunk: msgspec.Raw) -> list[Any]:
    """The chunk, or the part of one, that was `encoded`."""
    return list(msgspec.msgpack.decode(chunk))


def site_records(site: SiteState) -> list[Record]:
    """(key, value) of each chunk of a site, to be written in one batch.

    Raises:
        StateError: a chunk is larger than a record may be.
    """
    records = []
    for number, content in enumerate(site.chunks):
        value = _encoder.encode(
            _Value(VERSION, site.fence, site.clock, number, len(site.chunks), content)
        )
        if len(value) > MAX_VALUE_BYTES:
            raise StateError(
                f"the state of site '{site.name}' has a chunk of {len(value)} bytes, more than "
                f"the {MAX_VALUE_BYTES} that a record may have; give its devices fewer open "
                "boots, or split the site"
            )
        records.append((f"{site.name}/{number}".encode(), value))
    return records


def header_record(state: State) -> Record:
    """(key, value) of the header, which is written last."""
    value = _Value(
        VERSION, state.last, state.clock, 0, 0, _NIL, state.mark, state.begun_ms, state.rules
    )
    return HEADER_KEY, _encoder.encode(value)


def load(records: Mapping[bytes, bytes]) -> State | None:
    """The state in the last value of each key of a partition; None where there is none.

    There is none without a header either: that is a first flush that never ended, and sites
    that it did not reach would lack everything up to here.
    Its ``last`` is the oldest offset over the header and all sites, its clock the one then.

    Raises:
        StateError: a value is of another version, or a site is not whole.
    """
    if HEADER_KEY not in records:
        return None
    values = {key: _decode(key, value) for key, value in records.items()}
    header = values.pop(HEADER_KEY)
    sites = list(_sites(values))
    oldest = min(
        [(header.fence, header.clock), *((site.fence, site.clock) for site in sites)],
        key=lambda found: found[0],
    )
    return State(
        oldest[0],
        msgspec.structs.replace(oldest[1]),
        sites,
        header.begun_ms,
        header.mark,
        header.rules,
    )


def _decode(key: bytes, value: bytes) -> _Value:
    try:
        found = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise StateError(
            f"the state record '{key.decode(errors='replace')}' cannot be read ({exc}); "
            "it was written by another program or version; run the one that wrote it, or "
            "rebuild the state from the log with `qala streams reset`"
        ) from exc
    if not 1 <= found.version <= VERSION:
        raise StateError(
            f"the state record '{key.decode(errors='replace')}' has version {found.version}, "
            f"and this program reads versions 1 to {VERSION}; run the program that wrote it, or "
            "rebuild the state from the log with `qala streams reset`"
        )
    return found


def _content(value: _Value) -> msgspec.Raw:
    if value.version == VERSION:
        return value.content
    try:
        return msgspec.Raw(_encoder.encode(migrated(decoded(value.content), value.version)))
    except (ValueError, TypeError, IndexError, RecursionError) as exc:
        raise StateError(
            f"a state record of version {value.version} does not have that version's form; "
            "rebuild the state from the log with `qala streams reset`"
        ) from exc


def _sites(values: Mapping[bytes, _Value]) -> Iterator[SiteState]:
    found: dict[str, dict[int, _Value]] = {}
    for key, value in values.items():
        name = key.rpartition(b"/")[0].decode(errors="replace")
        found.setdefault(name, {})[value.chunk] = value
    for name, chunks in found.items():
        first = chunks.get(0)
        if first is None or any(
            number not in chunks or chunks[number].fence != first.fence
            for number in range(first.chunks)
        ):
            raise StateError(
                f"the state of site '{name}' is not whole; rebuild it from the log with "
                "`qala streams reset`"
            )
        ordered = [_content(chunks[number]) for number in range(first.chunks)]
        yield SiteState(name, first.fence, first.clock, ordered)
