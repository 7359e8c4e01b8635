"""What `qala streams reset` and `qala streams verify` do."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import structlog
import typer
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from infra.cli.output import console, print_json, show, table
from infra.devices_file import load_expected_devices
from infra.errors import InfraError, LookupFailedError
from infra.provision import partition_counts
from infra.settings import Settings, load_settings
from infra.words import count_words
from schemas import topics
from streams.partition import Partition
from streams.rebuild import Verdict, verify_partition
from streams.reset import Case, Done, Prospect, resetting
from streams.rulefile import default_rules, load_rules
from streams.settings import StreamsSettings

_COUNTED: Final = (topics.TELEMETRY, topics.STATE)
_BESIDE: Final = (topics.ROLLUPS, topics.ALERTS)

ResultT = TypeVar("ResultT")


class StateDiffersError(InfraError):
    """What is kept is not what the log says."""


class NotConfirmedError(InfraError):
    """The user did not say yes."""


class _Task:
    """One run of a command: settings, and partitions as a worker would make them."""

    def __init__(self, data: Path | None) -> None:
        logging.disable()  # what a client logs of an absent Kafka is in our sentence
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        self.settings: Settings = load_settings(data=data)
        self.stage: StreamsSettings = self.settings.stage("streams")
        self._rules = load_rules(self.settings.rules or default_rules())
        self._expected = load_expected_devices(self.settings.devices)
        self.count = 0

    def make(self, number: int) -> Partition:
        """An empty partition."""
        return Partition(number, self.count, self._rules, self._expected)

    def run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run ``work``.

        Raises:
            LookupFailedError: Kafka can't be asked.
        """
        kafka = self.settings.kafka
        try:
            return asyncio.run(work)
        except TopicAuthorizationFailedError as exc:
            raise LookupFailedError(
                f"Kafka at {kafka} does not let user '{kafka.user}' do what this needs; name one "
                "in QALA_KAFKA_USER that may read and write the topics behind the workers"
            ) from exc
        except (KafkaError, TimeoutError, OSError) as exc:
            raise LookupFailedError(
                f"Kafka at {kafka} does not answer ({type(exc).__name__}); start it with "
                "`qala up`, or set QALA_KAFKA_BOOTSTRAP; then repeat"
            ) from exc

    async def partitions(self, asked: Sequence[int] | None) -> list[int]:
        """The partitions that are meant.

        Raises:
            LookupFailedError: a topic lacks, has another count, or has no such partition.
        """
        counts = await partition_counts(self.settings.kafka)
        for topic in (*_COUNTED, *_BESIDE):
            if topic not in counts:
                raise LookupFailedError(
                    f"Kafka has no topic {topic}; make it with `qala provision`, then repeat"
                )
        log, state = (counts[topic] for topic in _COUNTED)
        if log != state:
            raise LookupFailedError(
                f"{topics.TELEMETRY} has {log} partitions and {topics.STATE} {state}: sites would "
                f"be looked for in the wrong place; delete {topics.TELEMETRY} and run "
                f"`qala provision`, which makes it with {state}"
            )
        self.count = log
        numbers = sorted(set(asked)) if asked else list(range(log))
        if numbers[-1] >= log:
            raise LookupFailedError(
                f"there is no partition {numbers[-1]}; {topics.TELEMETRY} has 0 to {log - 1}"
            )
        return numbers


def run_reset(asked: Sequence[int] | None, *, yes: bool, as_json: bool, data: Path | None) -> None:
    """Say what is found, ask, and reset; ``asked`` are partitions, None for all.

    Raises:
        LookupFailedError: Kafka can't be asked.
        StateError: workers are alive.
        NotConfirmedError: the answer was not yes.
    """
    if not yes and not (sys.stdin.isatty() and sys.stdout.isatty() and not as_json):
        raise typer.BadParameter("it drops state, and there is nobody to ask here; give --yes")
    task = _Task(data)
    done = task.run(_reset(task, asked, yes=yes, as_json=as_json))
    if as_json:
        print_json([msgspec.to_builtins(one) for one in done])
    elif done:
        _show_done(done)


async def _reset(
    task: _Task, asked: Sequence[int] | None, *, yes: bool, as_json: bool
) -> list[Done]:
    numbers = await task.partitions(asked)
    kafka = task.settings.kafka
    with _progress(f"reading {topics.TELEMETRY}") as progress:
        async with resetting(kafka, task.stage, task.make, progress.moved) as resetter:
            found = [await resetter.look(number) for number in numbers]
            if not as_json:
                _show_found(found)
            if not any(one.keys for one in found):
                return [Done(one.partition, one.case) for one in found]
            if not yes and not typer.confirm("Reset these partitions?"):
                raise NotConfirmedError("nothing was reset")
            return [await resetter.reset(one.partition) for one in found]


def _show_found(found: Sequence[Prospect]) -> None:
    made = table("partition", "state at", "log", "case", "what becomes of it", right=("state at",))
    for one in found:
        style = {Case.NOTHING: "dim", Case.WHOLE: "green"}.get(one.case, "yellow")
        held = f"{one.first} to {one.end - 1}" if one.end > one.first else "empty"
        made.add_row(
            str(one.partition),
            "" if one.offset < 0 else str(one.offset),
            held,
            Text(one.case, style=style),
            one.why,
        )
    show(made, "no partition")


def _show_done(done: Sequence[Done]) -> None:
    numbers = ("windows given out", "throughput given out", "alerts resolved", "keys dropped")
    made = table("partition", *numbers, right=numbers)
    for one in done:
        counts = (one.windows, one.throughput, one.alerts, one.keys)
        made.add_row(str(one.partition), *(_count(value) for value in counts))
    out = console()
    out.print()
    show(made, "no partition")
    out.print("start the workers: `qala streams`; each rebuilds its partitions before it goes on")


def run_verify(asked: Sequence[int] | None, *, as_json: bool, data: Path | None) -> None:
    """Rebuild, compare and print; ``asked`` are partitions, None for all.

    Raises:
        LookupFailedError: Kafka can't be asked.
        StateError: a state cannot be read, or belongs to another log.
        StateDiffersError: a value is kept otherwise than the log has it.
    """
    task = _Task(data)
    verdicts = task.run(_verify(task, asked))
    if as_json:
        print_json([_as_dict(one) for one in verdicts])
    else:
        _show_verdicts(verdicts)
    wrong = [str(one.partition) for one in verdicts if one.comparison.differences]
    if wrong:
        raise StateDiffersError(
            f"the state of partition {', '.join(wrong)} is not what the log says; `qala streams "
            "reset` rebuilds it once the workers are stopped"
        )


async def _verify(task: _Task, asked: Sequence[int] | None) -> list[Verdict]:
    numbers = await task.partitions(asked)
    with _progress(f"reading {topics.TELEMETRY}") as progress:
        return [
            await verify_partition(task.settings.kafka, task.make(number), progress.moved)
            for number in numbers
        ]


def _show_verdicts(verdicts: Sequence[Verdict]) -> None:
    numbers = ("state at", "sites", "values compared", "differences")
    made = table("partition", *numbers, "not compared", right=numbers)
    for one in verdicts:
        found = one.comparison
        wrong = Text(
            count_words(found.differences), style="bold red" if found.differences else "green"
        )
        made.add_row(
            str(one.partition),
            "" if one.offset < 0 else str(one.offset),
            count_words(one.sites),
            count_words(found.values),
            wrong,
            Text("; ".join(one.left_out), style="dim"),
        )
    show(made, "no partition")
    rows = [(one.partition, first) for one in verdicts for first in one.comparison.first]
    if not rows:
        return
    named = table("partition", "site", "device", "value", "kept", "rebuilt")
    for number, first in rows:
        pair = (_short(first.kept), _short(first.rebuilt))
        named.add_row(str(number), first.site, first.device or "—", first.field, *pair)
    out = console()
    out.print()
    show(named, "no difference")
    more = sum(one.comparison.differences for one in verdicts) - len(rows)
    if more:
        out.print(Text(f"and {count_words(more)} more", style="dim"))


def _as_dict(verdict: Verdict) -> dict[str, Any]:
    found = verdict.comparison
    return {
        "partition": verdict.partition,
        "offset": verdict.offset,
        "sites": verdict.sites,
        "values": found.values,
        "differences": found.differences,
        "first": [
            {**msgspec.to_builtins(one), "kept": _plain(one.kept), "rebuilt": _plain(one.rebuilt)}
            for one in found.first
        ],
        "left_out": verdict.left_out,
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - what is kept is of each kind
    """As JSON can hold it: a window without a value has an infinite minimum."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _short(value: object) -> str:
    text = str(value)
    return f"{text[:37]}…" if len(text) > 38 else text  # noqa: PLR2004 - one column's width


def _count(value: int) -> Text:
    return Text(count_words(value), style="" if value else "dim")


class _Moving:
    """A bar on stderr for the partition that is read, where somebody looks."""

    def __init__(self, bars: Progress, what: str) -> None:
        self._bars = bars
        self._what = what
        self._partition = -1

    def moved(self, partition: int, done: int, total: int) -> None:
        """So many of so many records are read."""
        if partition != self._partition:
            for shown in self._bars.task_ids:
                self._bars.remove_task(shown)
            self._partition = partition
            self._bars.add_task(f"{self._what}, partition {partition}", total=total)
            self._bars.start()  # not before: a question would be drawn over
        self._bars.update(self._bars.task_ids[0], completed=done, total=total)


@contextmanager
def _progress(what: str) -> Iterator[_Moving]:
    columns = (
        TextColumn("[dim]{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f}"),
        TimeRemainingColumn(),
    )
    err = Console(stderr=True)
    bars = Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
    try:
        yield _Moving(bars, what)
    finally:
        bars.stop()
