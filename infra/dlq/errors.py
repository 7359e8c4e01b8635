"""Errors about dead letters: each is one sentence that says what is wrong and what to do."""

from __future__ import annotations

from infra.errors import InfraError


class DeadLetterError(InfraError):
    """Dead letters cannot be shown, exported or replayed as asked."""


class RefError(DeadLetterError):
    """A text is not the name of a letter."""


class MomentError(DeadLetterError):
    """A text is neither a duration nor a time."""


class ExportError(DeadLetterError):
    """A file of exported letters cannot be written or read."""


class JsonTextError(DeadLetterError):
    """The text is not JSON: ``at`` is the character where that shows."""

    def __init__(self, at: int, why: str) -> None:
        """Keep the place beside what is wrong there."""
        super().__init__(why)
        self.at = at
