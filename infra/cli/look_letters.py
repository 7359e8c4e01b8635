"""`qala dlq list`: letters, or how many there are of each reason."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any, Final

from rich.text import Text

from infra.cli.output import console, show, table
from infra.dlq.excerpt import safe, shortened
from infra.dlq.exported import printable, told
from infra.dlq.filters import Filter
from infra.dlq.letters import Letter
from infra.dlq.topic import Count, open_letters
from infra.settings import Settings, load_settings
from infra.words import age_words, bytes_words, count_words, utc_words
from schemas.deadletters import EXPLAINED, Reason

STATE_STYLES: Final = {"new": "", "replayed": "green", "refused again": "red"}
_TOPIC_CHARS: Final = 120
_SEALED: Final = "sealed: it may hold a person's id, so it is encrypted with the bridge's key. "
_REPLAY_OF: Final = "replay of: the letter from whose replay it came. "
_REST: Final = "`qala dlq show LETTER` tells the rest"


def list_letters(
    wanted: Filter, limit: int, *, data: Path | None, as_json: bool, now_s: float
) -> None:
    """Print the newest dead letters: where, when, why and from where; never their bytes.

    Raises:
        LookupFailedError: Kafka can't be asked.
    """

    async def ask() -> list[Letter]:
        async with open_letters(letter_settings(data).kafka) as topic:
            return await topic.newest(wanted, limit)

    letters = asyncio.run(ask())
    if as_json:
        print_safe_json([told(letter) for letter in letters])
        return
    made = table(
        "letter", "ago", "reason", "topic", "size", "sealed", "state", "replay of",
        right=("ago", "size"),
        cut=("topic",),
        drop=("replay of", "size", "sealed", "ago"),
        last_wraps=False,
    )  # fmt: skip
    for letter in letters:
        made.add_row(
            Text(str(letter.ref), style="bold"),
            age_words(now_s - letter.written_ms / 1000),
            Text(safe(letter.reason), style="yellow"),
            Text(shortened(letter.topic, _TOPIC_CHARS)),
            bytes_words(letter.whole_size or letter.size),
            Text("yes" if letter.sealed is not None else "no", style="dim"),
            Text(letter.state, style=STATE_STYLES[letter.state]),
            Text("" if letter.replay_of is None else str(letter.replay_of), style="dim"),
        )
    show(made, "no dead letters" + (" fit these filters" if wanted.asks else ""))
    if letters:
        replays = any(letter.replay_of is not None for letter in letters)
        reading = _SEALED + (_REPLAY_OF if replays else "") + _REST
        console().print(Text(f"\n{reading}", style="dim"))
    if len(letters) == limit:
        console().print(
            Text(f"the newest {limit}; --limit N shows more, --summary counts all", style="dim")
        )


def count_letters(wanted: Filter, *, data: Path | None, as_json: bool, now_s: float) -> None:
    """Print how many letters there are of each reason; reads all that fit.

    Raises:
        LookupFailedError: Kafka can't be asked.
    """

    async def ask() -> dict[str, Count]:
        async with open_letters(letter_settings(data).kafka) as topic:
            return await topic.counted(wanted)

    counts = sorted(asyncio.run(ask()).items(), key=lambda item: item[1].letters, reverse=True)
    if as_json:
        print_safe_json([_count_dict(reason, count) for reason, count in counts])
        return
    made = table(
        "reason", "letters", "replayed", "newest", "in words",
        right=("letters", "replayed", "newest"),
        drop=("in words",),
    )  # fmt: skip
    for reason, count in counts:
        made.add_row(
            Text(safe(reason), style="yellow"),
            count_words(count.letters),
            count_words(count.replayed),
            f"{age_words(now_s - count.newest_ms / 1000)} ago",
            Text(EXPLAINED[Reason(reason)] if reason in list(Reason) else "", style="dim"),
        )
    show(made, "no dead letters" + (" fit these filters" if wanted.asks else ""))


def _count_dict(reason: str, count: Count) -> dict[str, Any]:
    return {
        "reason": reason,
        "letters": count.letters,
        "replayed": count.replayed,
        "newest": utc_words(count.newest_ms / 1000),
    }


def print_safe_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Print one JSON document; what isn't printable in it is escaped."""
    sys.stdout.write(printable(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")


def letter_settings(data: Path | None) -> Settings:
    """The settings in force; from here on, nothing is logged."""
    logging.disable()  # what a client logs of an absent Kafka is in our sentence
    return load_settings(data=data)
