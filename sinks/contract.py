"""What a sink of rows promises: it takes a batch and says what became of every line of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class Rejected(NamedTuple):
    """A line that the sink will never take, and why (a sentence that quotes no input)."""

    line: str
    reason: str


class Trouble(NamedTuple):
    """Why lines are to be kept and written again later.

    ``retry_after_s`` is the wait that the other side asked for, or None where it named none.
    ``final`` trouble only an operator can mend: a sink that meets it at its start does not start.
    """

    reason: str
    retry_after_s: float | None = None
    final: bool = False


@dataclass(slots=True)
class Written:
    """What became of a batch: ``accepted + expired + len(rejected) + len(keep)`` lines.

    ``accepted`` lines are durable on the other side. ``expired`` ones are older than their
    retention policy keeps and are gone. ``rejected`` ones are the lines' own fault. ``keep``
    holds, in their order, those to write again, because of ``trouble``; writing a line again
    changes nothing, so a sink may keep one of which it doesn't know whether it was taken.
    """

    accepted: int = 0
    expired: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)
    trouble: Trouble | None = None


class Sink(Protocol):
    """Somewhere rows of line protocol go."""

    async def write(self, policy: str, lines: Sequence[str]) -> Written:
        """Write ``lines`` into the retention policy ``policy``, in one attempt.

        What the other side's absence causes (refused connections, time-outs, 5xx, missing
        rights or databases) is not raised: the lines come back in ``keep`` with ``trouble``.
        """

    async def close(self) -> None:
        """Let go of connections; nothing is written after it."""
