"""Whether a stage does its work now and, if not, what it waits for (served as ``/ready``)."""

from __future__ import annotations


class Readiness:
    """Named reasons why a stage is not ready; ready is when there are none.

    Each part of a stage owns its reason: it sets and clears it under its own name, so that one
    part's recovery does not hide another's trouble.
    """

    def __init__(self, *starting: str) -> None:
        """Begin unready, waiting for each part named in ``starting``."""
        self._reasons: dict[str, str] = dict.fromkeys(starting, "starting")
        self._notes: dict[str, str] = {}

    @property
    def ready(self) -> bool:
        """True where nothing is waited for."""
        return not self._reasons

    @property
    def reasons(self) -> dict[str, str]:
        """What is waited for, by part."""
        return dict(self._reasons)

    def waiting(self, part: str, reason: str) -> None:
        """``part`` cannot do its work, because of ``reason`` (one sentence, no secrets)."""
        self._reasons[part] = reason

    def working(self, part: str) -> None:
        """``part`` does its work."""
        self._reasons.pop(part, None)

    @property
    def notes(self) -> dict[str, str]:
        """What whoever looks after the stage should know, by subject; it is ready all the same."""
        return dict(self._notes)

    def note(self, subject: str, text: str | None) -> None:
        """Say ``text`` (one sentence, no secrets) of ``subject``; None takes it back."""
        if text is None:
            self._notes.pop(subject, None)
        else:
            self._notes[subject] = text
