"""Logs of a process: events with fields, key=value on a terminal and JSON lines elsewhere.

Everything goes to one stream (stderr), what libraries log through `logging` included. Events
never hold a payload or a person's id: those who log name counts, places and reasons.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

QUIET: Final = ("aiokafka", "kafka", "asyncio", "faust", "mode", "aiohttp", "apprise")
"""Libraries of which only warnings and errors help those who run Qala."""
REPEAT_S: Final = 10.0
_MAX_KINDS: Final = 1000


class RepeatFilter(logging.Filter):
    """Lets one message of a kind pass in ten seconds, and says how many were left out.

    While a broker is away, aiokafka logs some twenty lines a second. A kind is the logger and
    the message before its values are filled in.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """``now`` gives seconds of any running clock."""
        super().__init__()
        self._now = now
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether ``record`` is written; adds ``left_out`` to one that follows a silence."""
        if not isinstance(record.msg, str):
            return True  # an event of our own, which is written where it means something
        kind = (record.name, record.msg)
        now = self._now()
        since, left_out = self._seen.get(kind, (None, 0))
        if since is not None and now - since < REPEAT_S:
            self._seen[kind] = (since, left_out + 1)
            return False
        if len(self._seen) > _MAX_KINDS:
            self._seen.clear()  # a library that formats before it logs must not fill memory
        self._seen[kind] = (now, 0)
        if left_out:
            record.left_out = left_out
        return True


def set_up_logs(
    stream: TextIO | None = None,
    *,
    file: Path | None = None,
    level: int = logging.INFO,
    **bound: str,
) -> None:
    """Send all logs of this process to ``stream`` (stderr where None).

    On a terminal they are key=value without tracebacks; what has a traceback goes to ``file``,
    too, with it. Elsewhere they are JSON lines with everything. ``bound`` fields (``stage``,
    ``id``) stand in every line.
    """
    stream = stream or sys.stderr
    handlers: list[logging.Handler] = [logging.StreamHandler(stream)]
    if stream.isatty():
        console = structlog.dev.ConsoleRenderer(colors=True)
        handlers[0].setFormatter(_formatter(_without_traceback, console))
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            handlers.append(logging.FileHandler(file, delay=True))
    for handler in handlers:
        handler.addFilter(RepeatFilter())
        if handler.formatter is None:
            as_text = structlog.processors.format_exc_info
            handler.setFormatter(_formatter(as_text, structlog.processors.JSONRenderer()))
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**bound)


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(allow=["left_out"]),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(exceptions: Processor, renderer: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(), structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            exceptions,
            renderer,
        ],
    )


def _without_traceback(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Name the error only: the message of one that isn't ours may quote input."""
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    if isinstance(raised, tuple):
        raised = raised[1]
    if isinstance(raised, BaseException):
        event["error"] = type(raised).__name__
    return event
