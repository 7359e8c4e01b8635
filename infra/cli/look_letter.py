"""`qala dlq show`: one letter, its history and its bytes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from infra.cli.letter_body import body_of
from infra.cli.look_letters import STATE_STYLES, letter_settings, print_safe_json
from infra.cli.output import console
from infra.dlq.errors import DeadLetterError
from infra.dlq.excerpt import safe, shortened
from infra.dlq.exported import with_bytes
from infra.dlq.letters import Letter, Ref
from infra.dlq.opening import key_at_hand, opened
from infra.dlq.place import place_in_topic
from infra.dlq.topic import LetterTopic, open_letters
from infra.errors import LookupFailedError
from infra.settings import Settings
from infra.tables import HouseTable
from infra.words import age_words, bytes_words, utc_words
from schemas.deadletters import EXPLAINED, Reason

_TOPIC_CHARS_SHOWN: Final = 1000


def show_letter(ref: Ref, *, data: Path | None, as_json: bool, now_s: float) -> None:
    """Print one dead letter: why, what is known of it, and its bytes where they can be opened.

    Raises:
        LookupFailedError: Kafka can't be asked, or has no such letter.
    """
    settings = letter_settings(data)

    async def ask() -> tuple[Letter, bytes, list[Letter]]:
        async with open_letters(settings.kafka) as topic:
            return await _whole(topic, ref)

    letter, value, followers = asyncio.run(ask())
    body, sealed_why = _opened(letter, value, settings)
    if as_json:
        shown = value if body is None else body
        more = {"followed_by": [str(one.ref) for one in followers], "stays_sealed": sealed_why}
        kept = {name: item for name, item in more.items() if item}
        print_safe_json(with_bytes(letter, shown, sealed=body is None) | kept)
        return
    out = console()
    out.print(_head(letter, followers, now_s, is_open=body is not None))
    out.print()
    if body is None:
        out.print(Text(f"its bytes stay closed: {sealed_why}", style="yellow"))
    else:
        out.print(body_of(letter, body, out.width))


async def _whole(topic: LetterTopic, ref: Ref) -> tuple[Letter, bytes, list[Letter]]:
    async for _, value in topic.bodies([ref]):
        for letter in await topic.named([ref]):
            return letter, value, await topic.followers(ref)
        raise LookupFailedError(f"{ref} is the mark of a replay, no letter; see `qala dlq list`")
    raise LookupFailedError(f"no letter is at {ref} (any more); see `qala dlq list`")


def _opened(letter: Letter, value: bytes, settings: Settings) -> tuple[bytes | None, str]:
    try:
        key = key_at_hand(settings) if letter.sealed is not None else None
        return opened(letter, value, key), ""
    except DeadLetterError as exc:
        return None, str(exc)


def _head(
    letter: Letter, followers: list[Letter], now_s: float, *, is_open: bool
) -> RenderableType:
    meaning = EXPLAINED.get(Reason(letter.reason)) if letter.reason in list(Reason) else None
    title = Text(f"{letter.ref}  ", style="bold").append(safe(letter.reason), style="bold yellow")
    lines: list[RenderableType] = [title.append(f"  {meaning or ''}", style="not bold")]
    if letter.detail != meaning:
        lines.append(Text(safe(letter.detail)))
    made = HouseTable(("fact", "value"), wraps="value", show_header=False)
    for name, value in _facts(letter, followers, now_s, is_open=is_open):
        made.add_row(Text(name, style="dim"), value)
    return Group(*lines, Text(), made)


def _facts(
    letter: Letter, followers: list[Letter], now_s: float, *, is_open: bool
) -> list[tuple[str, Text]]:
    facts = [("topic", _topic(letter))]
    if letter.rx_us is not None:
        received = f"{utc_words(letter.rx_us / 1e6)} by {safe(letter.bridge)}"
        facts.append(("received", Text(received)))
    ago = age_words(now_s - letter.written_ms / 1000)
    facts.append(("written", Text(f"{utc_words(letter.written_ms / 1000)}, {ago} ago")))
    if letter.index is not None:
        facts.append(("element", Text(f"number {letter.index} of an array, counted from 0")))
    if letter.sealed is not None:
        sealed = f"with the key {safe(letter.sealed)}, as it may hold a person's id"
        facts.append(("sealed", Text(sealed + ("; opened here" if is_open else ""))))
    if letter.whole_size is None:
        facts.append(("size", Text(f"{bytes_words(letter.size)} came in")))
    else:
        facts += _cut(letter)
    return [*facts, *_history(letter, followers)]


def _cut(letter: Letter) -> list[tuple[str, Text]]:
    told = f"only its first {letter.kept} of {letter.whole_size} bytes are kept"
    return [("cut", Text(told)), ("sha256", Text(f"{safe(letter.sha256 or '?')} of the whole"))]


def _history(letter: Letter, followers: list[Letter]) -> list[tuple[str, Text]]:
    facts = []
    if letter.replay_of is not None:
        facts.append(("replay of", Text(f"{letter.replay_of}, which was refused again")))
    for mark in letter.marks:
        told = f"{mark.accepted} accepted, {mark.refused} refused"
        style = STATE_STYLES["refused again" if mark.refused else "replayed"]
        facts.append(("replayed", Text(f"{utc_words(mark.at_ms / 1000)}: {told}", style=style)))
    if followers:
        facts.append(("became", Text(", ".join(str(one.ref) for one in followers))))
    return facts


def _topic(letter: Letter) -> Text:
    """The topic, its wrong level underlined."""
    place = place_in_topic(letter.topic, letter.reason)
    if place is None or len(letter.topic) > _TOPIC_CHARS_SHOWN:
        return Text(shortened(letter.topic, _TOPIC_CHARS_SHOWN))
    before, wrong = safe(letter.topic[: place.begin]), safe(letter.topic[place.begin : place.end])
    made = Text(f"{before}{wrong}{safe(letter.topic[place.end :])}\n")
    return made.append(f"{' ' * len(before)}{'^' * max(1, len(wrong))}", style="bold red")
