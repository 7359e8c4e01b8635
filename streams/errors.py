"""Errors of the streams package."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong in a rule file, and what to write instead.

    ``level`` is ``warning`` where the rule works all the same. ``rule`` is the rule's id (or
    ``#3`` for the third rule of a file, where it has none), ``key`` the key in it; both are
    empty where the whole file is meant.
    """

    level: Literal["error", "warning"]
    file: str
    rule: str = ""
    key: str = ""
    text: str

    def __str__(self) -> str:
        """One line: file, rule, key, what is wrong and what to write."""
        where = f"{self.file}: "
        if self.rule:
            where += f"rule '{self.rule}': "
        if self.key:
            where += f"{self.key}: "
        return where + self.text


class StreamsError(Exception):
    """Something that the stream processor cannot work with."""


class MeasureError(StreamsError):
    """A ``measure`` names nothing that a rule can judge; the message says what to write."""


class RuleError(StreamsError):
    """Rules cannot be used; ``problems`` holds every reason, one for each place to mend."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems; the message has one line for each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class TooManySeriesError(StreamsError):
    """A device has more series (types and tags) than are kept of one."""


class StateError(StreamsError):
    """The kept state, or the log that it belongs to, is not what the worker can go on from."""


class WorkerError(StreamsError):
    """The worker cannot go on; started again, it continues where its state stands."""
