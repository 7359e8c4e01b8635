"""Whether a kept state belongs to the log as it is now, and where the fold goes on."""

from __future__ import annotations

from typing import NamedTuple

import structlog

from schemas.topics import TELEMETRY
from streams.errors import StateError
from streams.outputs import Output
from streams.partition import Partition
from streams.state import Mark, State

log = structlog.get_logger("streams.takeover")


class LogView(NamedTuple):
    """What a partition of the telemetry topic holds: its first offset, the one after the last.

    ``mark`` is of the record at the offset that was asked for; None where it isn't there.
    """

    first: int
    end: int
    mark: Mark | None = None


def take_up(partition: Partition, state: State | None, view: LogView) -> list[Output]:
    """Load the state into a new partition, or let it begin at the log's first record.

    Returns what the load gives out.

    Raises:
        StateError: the state is of another log: the topic was deleted and made again.
    """
    if state is None:
        partition.begin(view.first)
        if view.first:
            log.warning(
                "the state is rebuilt from a log whose beginning is gone: windows and counts that "
                "began before it are not given out again",
                partition=partition.number,
                first_offset=view.first,
            )
        return []
    check(partition.number, state, view)
    outputs = partition.load(state)
    if partition.last + 1 < view.first:
        log.error(
            "records were deleted by retention before they were read",
            partition=partition.number,
            records=view.first - partition.last - 1,
        )
        partition.last = view.first - 1
    return outputs


def check(number: int, state: State, view: LogView) -> None:
    """See whether ``state`` was made of the log as it is now.

    Raises:
        StateError: it was not: the topic was deleted and made again, or lost its end.
    """
    newest = newest_of(state)
    if newest >= view.end:
        raise StateError(
            f"partition {number} of {TELEMETRY} ends before offset {view.end}, and its state is at "
            f"{newest}: the topic was deleted and made again, or lost its end; stop the workers, "
            f"run `qala streams reset --partition {number}`, and start them"
        )
    if state.mark is not None and view.mark is not None and state.mark != view.mark:
        raise StateError(
            f"partition {number} of {TELEMETRY} holds another record at offset {newest} than the "
            "one that its state was made of: the topic was deleted and made again; stop the "
            f"workers, run `qala streams reset --partition {number}`, and start them"
        )


def newest_of(state: State) -> int:
    """The offset of the newest record that ``state`` was made of."""
    return state.last if state.mark is None else state.mark.offset
