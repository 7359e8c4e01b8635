"""A finding: what was looked at, how it is, and what to do where it is not well."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

FindingState = Literal["problem", "warning", "unknown", "ok"]

PARTS: Final = ("settings", "machine", "mqtt", "kafka", "influxdb", "clocks", "bridges", "stages")
"""What is looked at, in the order in which it is shown."""

_GRAVITY: Final = ("problem", "warning", "unknown", "ok")


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at. ``what`` and ``mend`` are sentences without secrets.

    ``unknown`` is what could not be seen: neither well nor ill. Only ``ok`` has no ``mend``.
    """

    part: str
    check: str
    state: FindingState
    what: str
    mend: str | None = None


class Away(Struct, frozen=True):
    """A server that could not be asked at all: why, and what to do.

    ``absent`` says that it gave no answer, for whatever reason; not that it refused.
    """

    what: str
    mend: str
    absent: bool = False

    @classmethod
    def told(cls, error: Exception, address: str) -> Away:
        """Of an error that says ``what is wrong; what to do``; ``address`` is the setting."""
        what, _, mend = str(error).partition("; ")
        if not mend or mend.startswith("is it running"):
            mend = f"start it (`qala servers up`, or its service), or set {address} to where it is"
            return cls(what, mend, absent=True)
        return cls(what, mend)


class Findings:
    """Findings of one part, in the making."""

    def __init__(self, part: str) -> None:
        """Nothing has been found."""
        self._part = part
        self.made: list[Finding] = []

    def ok(self, check: str, what: str) -> None:
        """It is well."""
        self.made.append(Finding(part=self._part, check=check, state="ok", what=what))

    def unknown(self, check: str, what: str, mend: str) -> None:
        """It could not be seen; ``mend`` says how it can be."""
        self._add("unknown", check, what, mend)

    def warning(self, check: str, what: str, mend: str) -> None:
        """It works, and may not for long."""
        self._add("warning", check, what, mend)

    def problem(self, check: str, what: str, mend: str) -> None:
        """It does not work, or loses something."""
        self._add("problem", check, what, mend)

    def _add(self, state: FindingState, check: str, what: str, mend: str) -> None:
        self.made.append(Finding(part=self._part, check=check, state=state, what=what, mend=mend))


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By part, and in each part the gravest first; otherwise in the order in which they came."""
    return sorted(findings, key=lambda f: (PARTS.index(f.part), _GRAVITY.index(f.state)))
