"""The file of `qala dlq export`, which `qala dlq replay --from` reads again: NDJSON.

Each line is one letter. Its bytes stand as text in ``payload``, or in ``payload_base64`` where
they are not UTF-8, or sealed. Of a line that was edited, ``topic`` and the payload count.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from msgspec import Struct

from infra.dlq.errors import ExportError, RefError
from infra.dlq.letters import Letter, Ref, parse_ref
from infra.words import utc_words

_MOST_LINE_BYTES: Final = 16_000_000
_MOST_TOPIC_BYTES: Final = 65_535


def told(letter: Letter) -> dict[str, Any]:
    """What is known of a letter without its bytes, as JSON's values; absent things are left out."""
    made: dict[str, Any] = {
        "ref": str(letter.ref),
        "written": utc_words(letter.written_ms / 1000),
        "topic": letter.topic,
        "rx": letter.rx_us,
        "reason": letter.reason,
        "detail": letter.detail,
        "bridge": letter.bridge,
        "index": letter.index,
        "bytes": letter.size,
        "size": letter.whole_size,
        "sha256": letter.sha256,
        "sealed": letter.sealed,
        "replay_of": None if letter.replay_of is None else str(letter.replay_of),
        "state": letter.state,
        "replays": [
            {"at": utc_words(mark.at_ms / 1000), "accepted": mark.accepted, "refused": mark.refused}
            for mark in letter.marks
        ],
    }
    return {name: value for name, value in made.items() if value is not None}


def with_bytes(letter: Letter, body: bytes, *, sealed: bool) -> dict[str, Any]:
    """`told`, and the bytes; ``sealed`` says that they still are."""
    made = told(letter)
    if letter.sealed is not None and not sealed:
        made["opened"] = made.pop("sealed")
    if not sealed:
        try:
            return made | {"payload": body.decode()}
        except UnicodeDecodeError:
            pass
    return made | {"payload_base64": base64.b64encode(body).decode()}


def json_line(value: dict[str, Any]) -> str:
    r"""One line of JSON that a terminal can be given: what isn't printable stands as ``\uNNNN``."""
    return printable(json.dumps(value, ensure_ascii=False))


def printable(document: str) -> str:
    """A JSON document with what isn't printable escaped; its own line ends are left."""
    if document.isprintable():
        return document
    return "".join(
        char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in document
    )


@contextmanager
def written_whole(path: Path) -> Iterator[IO[str]]:
    """A file for its owner's eyes only (mode 0600), which is there whole or not at all.

    Raises:
        ExportError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                yield file
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as exc:
        raise ExportError(f"{path} cannot be written ({exc.strerror})") from exc


class Entry(Struct, frozen=True):
    """One line of the file: a letter's topic and bytes as they are to be replayed."""

    ref: Ref
    topic: str
    rx_us: int | None
    payload: bytes
    sealed: bool


def entries(path: Path) -> Iterator[Entry]:
    """The lines of an exported file, perhaps edited; empty ones are passed over.

    Raises:
        ExportError: the file cannot be read, or a line is not one of an exported file.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_MOST_LINE_BYTES), b""), 1):
                if line.strip():
                    yield _entry(line, f"{path}:{number}")
    except OSError as exc:
        raise ExportError(f"{path} cannot be read ({exc.strerror})") from exc


def _entry(line: bytes, where: str) -> Entry:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise ExportError(f"{where}: this line is not JSON; export it again") from exc
    if not isinstance(value, dict):
        raise ExportError(f"{where}: this line is not an object; export it again")
    ref, topic, rx = value.get("ref"), value.get("topic"), value.get("rx")
    if not isinstance(ref, str) or not isinstance(topic, str):
        raise ExportError(f"{where}: 'ref' and 'topic' must stand there, as text")
    if not _is_topic(topic):
        raise ExportError(f"{where}: 'topic' is none that MQTT can carry; write one as devices do")
    try:
        body = _payload(value)
        name = parse_ref(ref)
    except (RefError, ValueError) as exc:
        raise ExportError(f"{where}: {exc}") from exc
    sealed = "payload_base64" in value and "sealed" in value
    return Entry(name, topic, rx if isinstance(rx, int) else None, body, sealed)


def _is_topic(text: str) -> bool:
    """Whether a message can have this topic: 1 to 65,535 bytes, no wildcard (MQTT 5.0 §4.7)."""
    try:
        return 0 < len(text.encode()) <= _MOST_TOPIC_BYTES and not {"+", "#", "\0"} & set(text)
    except UnicodeEncodeError:
        return False


def _payload(value: dict[str, Any]) -> bytes:
    text, coded = value.get("payload"), value.get("payload_base64")
    if (text is None) == (coded is None):
        raise ValueError("either 'payload' or 'payload_base64' must stand there")
    if coded is None:
        if not isinstance(text, str):
            raise ValueError("'payload' must be text: JSON in quotes, as it was exported")
        return text.encode(errors="surrogatepass")
    try:
        return base64.b64decode(coded, validate=True)
    except (TypeError, binascii.Error) as exc:
        raise ValueError("'payload_base64' is not base64") from exc
