"""`qala dlq replay`: chosen letters through the bridge's code into the log, and marked.

Of each batch, first the lines and the new letters are made durable, then the marks. A crash
between costs a repetition, which changes nothing: a reading is known by its (boot, seq).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from msgspec import Struct

from infra.dlq.errors import DeadLetterError
from infra.dlq.exported import entries
from infra.dlq.filters import Filter
from infra.dlq.letters import Letter, Ref
from infra.dlq.log_clock import log_clock
from infra.dlq.opening import opened
from infra.dlq.topic import LetterTopic, open_letters
from infra.dlq.unchanged import unchanged_refs
from ingest.errors import SealError
from ingest.persons import PersonKey
from ingest.replay import Message, Replay, Taken, Trial, open_replay
from schemas.connections import KafkaConnection
from schemas.deadletters import HEADER_REASON, HEADER_RX, HEADER_TOPIC

REPLAYED: Final = "replayed"
REFUSED: Final = "refused again"
SKIPPED: Final = "skipped"
UNCHANGED: Final = "unchanged"
IMPOSSIBLE: Final = "impossible"
OUTCOMES: Final = (REPLAYED, REFUSED, UNCHANGED, SKIPPED, IMPOSSIBLE)

_GONE: Final = "it was there a moment ago, and is gone: its time was up"
_BATCH: Final = 200
_BATCH_BYTES: Final = 8_000_000


class Result(Struct):
    """What became of one letter: an outcome, and why where it is not ``replayed``."""

    ref: Ref
    outcome: str
    why: str = ""
    accepted: int = 0
    refused: int = 0


class Choice(Struct, frozen=True):
    """Which letters: those named, those that a filter means, or those of an exported file.

    Of a file, only what was mended; with ``unchanged``, every line.
    """

    refs: tuple[Ref, ...] = ()
    wanted: Filter | None = None
    file: Path | None = None
    unchanged: bool = False


class _Try(Struct):
    """A letter's bytes on their way: from Kafka, or from the file, where they may be mended."""

    letter: Letter
    topic: str
    payload: bytes
    sealed: bool


async def replay(
    kafka: KafkaConnection,
    choice: Choice,
    *,
    key: PersonKey | None,
    again: bool,
    dry_run: bool,
) -> list[Result]:
    """Replay letters in the order of each partition; a dry run writes nothing.

    Raises:
        DeadLetterError: a letter that was named isn't there, or a file can't be read.
        LookupFailedError: Kafka can't be read.
        IngestError: Kafka can't be written; what was marked until then is replayed.
    """
    async with AsyncExitStack() as stack:
        topic = await stack.enter_async_context(open_letters(kafka))
        letters = await _chosen(topic, choice)
        results = {letter.ref: Result(letter.ref, SKIPPED, _before(letter)) for letter in letters}
        due = {letter.ref: letter for letter in letters if again or not letter.marks}
        if choice.file is not None and not choice.unchanged:
            for ref in await unchanged_refs(topic, choice.file, due, key):
                results[ref] = Result(ref, UNCHANGED, "unchanged; --all sends them too")
                del due[ref]
        results |= {ref: Result(ref, IMPOSSIBLE, _GONE) for ref in due}  # until it was tried
        if not due:
            return list(results.values())
        trial = Trial(key, topic.partitions)
        writer = None
        if not dry_run:
            clock = await log_clock(kafka)
            writer = await stack.enter_async_context(open_replay(kafka, key=key, clock=clock))
        batches = _Batches(trial, writer, results)
        async for attempt in _attempts(topic, choice, due):
            await batches.take(attempt, key)
        await batches.flush()
        return list(results.values())


async def _chosen(topic: LetterTopic, choice: Choice) -> list[Letter]:
    if choice.wanted is not None:
        return await topic.chosen(choice.wanted)
    refs = set(choice.refs)
    if choice.file is not None:
        refs = _refs_once(entry.ref for entry in entries(choice.file))
    letters = await topic.named(refs)
    missing = sorted(refs - {letter.ref for letter in letters})
    if missing:
        named = ", ".join(str(ref) for ref in missing[:5]) + (", …" if len(missing) > 5 else "")  # noqa: PLR2004 - enough to see
        raise DeadLetterError(
            f"no letter is at {named} (any more); see `qala dlq list`. Nothing was replayed"
        )
    if choice.file is not None:
        _refuse_strangers(choice.file, {letter.ref: letter for letter in letters})
    return letters


def _refs_once(refs: Iterable[Ref]) -> set[Ref]:
    counted = Counter(refs)
    for ref, times in counted.items():
        if times > 1:
            raise DeadLetterError(
                f"the file has the letter {ref} {times} times; a reading more fits into its "
                "payload, as a further element of an array"
            )
    return set(counted)


def _refuse_strangers(file: Path, letters: Mapping[Ref, Letter]) -> None:
    """Places are used again where a topic is made anew: the receive time tells the letter."""
    for entry in entries(file):
        if entry.rx_us != letters[entry.ref].rx_us:
            raise DeadLetterError(
                f"{file} is of another topic or was changed: its letter {entry.ref} has another "
                "'rx' than the one in Kafka; export it again. Nothing was replayed"
            )


def _before(letter: Letter) -> str:
    if not letter.marks:
        return ""
    return f"{letter.state} before; --again does it once more"


async def _attempts(
    topic: LetterTopic, choice: Choice, due: Mapping[Ref, Letter]
) -> AsyncIterator[_Try]:
    if choice.file is None:
        async for ref, value in topic.bodies(due.keys()):
            letter = due[ref]
            sealed = letter.sealed is not None
            yield _Try(letter, letter.topic, value, sealed)
        return
    for entry in entries(choice.file):
        if entry.ref in due:
            yield _Try(due[entry.ref], entry.topic, entry.payload, entry.sealed)


class _Batches:
    """Takes letters one by one, and brings them into Kafka some at a time."""

    def __init__(self, trial: Trial, writer: Replay | None, results: dict[Ref, Result]) -> None:
        self._trial = trial
        self._writer = writer
        self._results = results
        self._open: list[tuple[Letter, Taken]] = []
        self._bytes = 0

    async def take(self, attempt: _Try, key: PersonKey | None) -> None:
        """Replay one letter, or say why it can't be."""
        ref = attempt.letter.ref
        try:
            message = _message(attempt, key)
            taken = self._trial.take(message)
        except (DeadLetterError, SealError) as exc:
            self._results[ref] = Result(ref, IMPOSSIBLE, str(exc))
            return
        result = self._results[ref] = _result(ref, taken)
        if result.outcome == IMPOSSIBLE or self._writer is None:
            return
        self._open.append((attempt.letter, self._writer.put(message)))
        self._bytes += len(message.payload)
        if len(self._open) >= _BATCH or self._bytes >= _BATCH_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """What was taken is in Kafka, then its marks are."""
        if self._writer is None or not self._open:
            return
        await self._writer.settle()
        for letter, taken in self._open:
            ref = letter.ref
            self._writer.mark(ref.partition, str(ref), taken, _headers(letter))
        await self._writer.settle()
        self._open, self._bytes = [], 0


def _message(attempt: _Try, key: PersonKey | None) -> Message:
    """What goes through the bridge's code; raises `DeadLetterError` where nothing can."""
    letter = attempt.letter
    if letter.rx_us is None:
        raise DeadLetterError("it does not say when it was received")
    moved = attempt.topic != letter.topic
    if not letter.from_device and not moved:
        raise DeadLetterError(
            f"it came from the Kafka topic {letter.topic}, not from a device; export it and give "
            "it an MQTT topic to send it as a device's message"
        )
    body = opened(letter, attempt.payload, key) if attempt.sealed else attempt.payload
    if letter.whole_size is not None and len(body) == letter.kept:
        raise DeadLetterError(
            f"only the first {letter.kept} of its {letter.whole_size} bytes are kept; put "
            "the whole into an exported file, or let the device send it again"
        )
    return Message(str(letter.ref), attempt.topic, body, letter.rx_us)


def _headers(letter: Letter) -> list[tuple[str, bytes]]:
    return [
        (HEADER_TOPIC, letter.topic.encode()),
        (HEADER_RX, b"%d" % (letter.rx_us or 0)),
        (HEADER_REASON, letter.reason.encode()),
    ]


def _result(ref: Ref, taken: Taken) -> Result:
    if not taken.accepted and not taken.refused:
        return Result(ref, IMPOSSIBLE, "a bridge takes no notice of such a message")
    if not taken.refused:
        return Result(ref, REPLAYED, "", taken.accepted)
    reason, detail = taken.refused[0]
    more = f", and {len(taken.refused) - 1} more" if len(taken.refused) > 1 else ""
    return Result(ref, REFUSED, f"{reason}: {detail}{more}", taken.accepted, len(taken.refused))
