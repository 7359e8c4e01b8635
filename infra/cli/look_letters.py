"""`qala dlq list` and `qala dlq show`."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any, Final

from rich.text import Text

from infra.cli.output import console, print_json, show, table
from infra.settings import Settings, load_settings
from infra.topic_reader import Record, newest, one
from infra.words import age_words, bytes_words, utc_words
from schemas import deadletters
from schemas.envelope import header
from schemas.topics import DEAD_LETTERS

_SHOWN_BYTES: Final = 4096


def list_letters(
    reason: str | None, limit: int, *, data: Path | None, as_json: bool, now_s: float
) -> None:
    """Print the newest dead letters: where, when, why and from where; never their bytes.

    Raises:
        LookupFailedError: Kafka can't be asked.
    """
    logging.disable()  # what a client logs of an absent Kafka is in our sentence
    settings = load_settings(data=data)

    def wanted(record: Record) -> bool:
        return reason is None or header(record.headers, deadletters.HEADER_REASON) == reason

    letters = asyncio.run(newest(settings.kafka, DEAD_LETTERS, limit, wanted))
    if as_json:
        print_json([_as_dict(letter) for letter in letters])
        return
    made = table("place", "when", "reason", "topic", "size", "detail", right=("size",))
    for letter in letters:
        made.add_row(
            f"{letter.partition}:{letter.offset}",
            Text(f"{age_words(now_s - letter.timestamp / 1000)} ago"),
            Text(header(letter.headers, deadletters.HEADER_REASON) or "?", style="yellow"),
            _safe(header(letter.headers, deadletters.HEADER_TOPIC) or "?"),
            bytes_words(len(letter.value or b"")),
            Text(_safe(header(letter.headers, deadletters.HEADER_DETAIL) or ""), style="dim"),
        )
    show(made, "no dead letters" + (f" with the reason {reason}" if reason else ""))


def show_letter(partition: int, offset: int, *, data: Path | None, as_json: bool) -> None:
    """Print one dead letter: all headers, and its bytes, opened where that is possible.

    Raises:
        LookupFailedError: Kafka can't be asked, or has no such letter.
    """
    logging.disable()  # what a client logs of an absent Kafka is in our sentence
    settings = load_settings(data=data)
    letter = asyncio.run(one(settings.kafka, DEAD_LETTERS, partition, offset))
    body, note = _opened(letter, settings)
    if as_json:
        print_json({**_as_dict(letter), "note": note, "body": _text(body), "hex": _hex(body)})
        return
    out = console()
    made = table("header", "value")
    for name, value in _as_dict(letter).items():
        made.add_row(Text(name, style="bold"), _safe(str(value)))
    out.print(made)
    out.print()
    out.print(Text(note, style="dim"))
    if body is None:
        return
    text = _text(body)
    # the bytes are an outsider's: control characters must not reach the terminal
    out.print(
        Text(_safe(text, keep="\n") if text is not None else _hex(body) or "", overflow="fold")
    )
    if len(body) > _SHOWN_BYTES:
        out.print(Text(f"… {bytes_words(len(body) - _SHOWN_BYTES)} more; --json has all", "dim"))


def _as_dict(letter: Record) -> dict[str, Any]:
    names = {key for key, _ in letter.headers}
    return {
        "place": f"{letter.partition}:{letter.offset}",
        "time": utc_words(letter.timestamp / 1000),
        **{name: header(letter.headers, name) for name in sorted(names)},
        "bytes": len(letter.value or b""),
    }


def _opened(letter: Record, settings: Settings) -> tuple[bytes | None, str]:
    """The bytes that came in, or None where they stay sealed, and a sentence about them."""
    from ingest.errors import IngestError  # noqa: PLC0415 - only a sealed letter needs the bridge's
    from ingest.persons import KEY_FILE, load_person_key  # noqa: PLC0415 - as above

    body = letter.value or b""
    sealed = header(letter.headers, deadletters.HEADER_SEALED)
    if sealed is None:
        return body, f"{bytes_words(len(body))}, as they came in:"
    secret = settings.person.key
    if secret is None and not (settings.data / KEY_FILE).exists():
        return None, (
            "sealed, as it may hold a person's id; set QALA_PERSON_KEY, or name the bridge's data "
            "folder with --data, to open it"
        )
    try:
        key = load_person_key(secret.get_secret_value() if secret else None, settings.data)
        return key.open(body, sealed), "sealed, as it may hold a person's id; opened:"
    except IngestError as exc:
        return None, f"it stays sealed: {exc}"


def _text(body: bytes | None) -> str | None:
    try:
        return None if body is None else body.decode()
    except UnicodeDecodeError:
        return None


def _hex(body: bytes | None) -> str | None:
    return None if body is None else body[:_SHOWN_BYTES].hex(" ", 4)


def _safe(text: str, keep: str = "") -> str:
    """``text`` with everything that isn't printable written as an escape."""
    shown = text[:_SHOWN_BYTES]
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in shown
    )
