"""aiokafka's own log, made bearable: while a broker is away it writes some 20 lines a second."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import structlog

_EVERY_S: Final = 10.0
_log = structlog.get_logger("aiokafka")


class QuietHandler(logging.Handler):
    """Passes one line for each place in the code and ``every_s``, with how many it kept back."""

    def __init__(
        self, every_s: float = _EVERY_S, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with nothing kept back; ``now`` gives seconds."""
        super().__init__(logging.WARNING)
        self._every_s = every_s
        self._now = now
        self._shown: dict[tuple[str, int], float] = {}
        self._kept_back: dict[tuple[str, int], int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Show the record, or count it."""
        place = (record.pathname, record.lineno)
        now = self._now()
        if now - self._shown.get(place, -self._every_s) < self._every_s:
            self._kept_back[place] = self._kept_back.get(place, 0) + 1
            return
        self._shown[place] = now
        _log.warning(
            "the Kafka client says",
            said=record.getMessage(),
            kept_back=self._kept_back.pop(place, 0),
        )


def quiet_kafka_log() -> None:
    """Send aiokafka's warnings and errors through one `QuietHandler`; safe to repeat."""
    logger = logging.getLogger("aiokafka")
    logger.propagate = False
    if not any(isinstance(handler, QuietHandler) for handler in logger.handlers):
        logger.addHandler(QuietHandler())
