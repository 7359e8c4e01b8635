"""`qala dlq export` and `qala dlq replay`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Final

from rich.text import Text

from infra.cli.look_letters import letter_settings, print_safe_json
from infra.cli.output import console, show, table
from infra.dlq.errors import DeadLetterError
from infra.dlq.excerpt import safe
from infra.dlq.exported import json_line, with_bytes, written_whole
from infra.dlq.filters import Filter
from infra.dlq.letters import Letter
from infra.dlq.opening import key_at_hand, opened
from infra.dlq.replay import (
    IMPOSSIBLE,
    OUTCOMES,
    REFUSED,
    REPLAYED,
    UNCHANGED,
    Choice,
    Result,
    replay,
)
from infra.dlq.topic import open_letters
from infra.settings import Settings
from infra.words import counted
from ingest.persons import PersonKey

_STYLES: Final = {
    "replayed": "green",
    "refused again": "red",
    "unchanged": "dim",
    "skipped": "",
    "impossible": "red",
}
_MOST_ROWS: Final = 40


class NotReplayedError(DeadLetterError):
    """Some letters were refused again, or cannot be replayed."""


def export_letters(
    out: Path, wanted: Filter, *, unseal: bool, data: Path | None, as_json: bool
) -> None:
    """Write the letters that are meant into the file ``out``.

    Raises:
        DeadLetterError: the file can't be written, or letters are to be opened without a key.
        LookupFailedError: Kafka can't be read.
    """
    settings = letter_settings(data)
    key = None
    if unseal:
        key = key_at_hand(settings)
        if key is None:
            raise DeadLetterError(
                "there is no key to open letters with; set QALA_PERSON_KEY, or name the bridge's "
                "data folder with --data"
            )
    counts = asyncio.run(_exported(settings, out, wanted, key))
    if as_json:
        print_safe_json({"file": str(out), **counts})
        return
    told = f"{counted(counts['letters'], 'letter')} into {out}"
    if counts["sealed"]:
        why = "sealed with another key" if unseal else "sealed; --open opens them"
        told += f", {counts['sealed']} of them {why}"
    console().print(Text(safe(told)))
    if counts["opened"]:
        sys.stderr.write(
            f"qala: {out} may hold personal data ({counted(counts['opened'], 'letter')} opened); "
            "only you can read it, and it should be deleted when it is replayed\n"
        )


async def _exported(
    settings: Settings, out: Path, wanted: Filter, key: PersonKey | None
) -> dict[str, int]:
    counts = {"letters": 0, "sealed": 0, "opened": 0}
    async with open_letters(settings.kafka) as topic:
        letters = {letter.ref: letter for letter in await topic.chosen(wanted)}
        with written_whole(out) as file:
            async for ref, value in topic.bodies(letters.keys()):
                letter = letters[ref]
                body, sealed = _body(letter, value, key)
                counts["letters"] += 1
                counts["sealed"] += sealed
                counts["opened"] += letter.sealed is not None and not sealed
                file.write(json_line(with_bytes(letter, body, sealed=sealed)) + "\n")
    return counts


def _body(letter: Letter, value: bytes, key: PersonKey | None) -> tuple[bytes, bool]:
    """The bytes to export, and whether they are sealed (with another key, or without one)."""
    if letter.sealed is None:
        return value, False
    try:
        return opened(letter, value, key), False
    except DeadLetterError:
        return value, True


def replay_letters(
    choice: Choice, *, dry_run: bool, again: bool, data: Path | None, as_json: bool
) -> None:
    """Replay letters, and say what became of each.

    Raises:
        NotReplayedError: some were refused again, or can't be replayed.
        DeadLetterError: a letter isn't there, or a file can't be read; nothing was replayed.
        LookupFailedError: Kafka can't be read.
        IngestError: Kafka can't be written.
    """
    settings = letter_settings(data)
    results = asyncio.run(
        replay(settings.kafka, choice, key=key_at_hand(settings), again=again, dry_run=dry_run)
    )
    counts = {name: sum(one.outcome == name for one in results) for name in OUTCOMES}
    if as_json:
        print_safe_json(
            {
                "dry_run": dry_run,
                **{name.replace(" ", "_"): count for name, count in counts.items()},
                "letters": [_as_dict(one) for one in results],
            }
        )
    else:
        _print(results, counts, dry_run=dry_run)
    bad = counts[REFUSED] + counts[IMPOSSIBLE]
    if bad:
        were = "would not be" if dry_run else ("was not" if bad == 1 else "were not")
        raise NotReplayedError(
            f"{bad} of {counted(len(results), 'letter')} {were} replayed; mend what is listed in a "
            "file of `qala dlq export`, and give that to `qala dlq replay --from`"
        )


def _as_dict(result: Result) -> dict[str, str | int]:
    made: dict[str, str | int] = {
        "ref": str(result.ref),
        "outcome": result.outcome.replace(" ", "_"),
        "accepted": result.accepted,
        "refused": result.refused,
    }
    return made | ({"why": result.why} if result.why else {})


def _print(results: list[Result], counts: dict[str, int], *, dry_run: bool) -> None:
    # of a large file with one mended line, the others are told by their number alone
    told = [
        one for one in results if one.outcome != UNCHANGED and (dry_run or one.outcome != REPLAYED)
    ]
    made = table("letter", "outcome", "why")
    for one in told[:_MOST_ROWS]:
        made.add_row(
            Text(str(one.ref), style="bold"),
            Text(one.outcome, style=_STYLES[one.outcome]),
            Text(safe(one.why or _accepted(one)), style="dim"),
        )
    out = console()
    if told:
        show(made, "no letter")
        if len(told) > _MOST_ROWS:
            out.print(Text(f"… and {len(told) - _MOST_ROWS} more; --json has all", style="dim"))
        out.print()
    words = [f"{count} {name}" for name, count in counts.items()]
    if counts[UNCHANGED]:
        words.append("--all sends the unchanged ones, too")
    out.print(Text(("dry run, nothing was written: " if dry_run else "") + ", ".join(words)))


def _accepted(result: Result) -> str:
    return f"{result.accepted} accepted"
