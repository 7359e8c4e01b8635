"""Errors of the sinks package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import KafkaError

from schemas.errors import StuckClientError


class SinkError(Exception):
    """A sink cannot do its work, and waiting does not mend it."""


class UnsupportedInfluxError(SinkError):
    """The InfluxDB at the configured address is older than 1.8, or is not InfluxDB."""


class InfluxRefusedError(SinkError):
    """InfluxDB does not let the sink in: its token, or the server's certificate, is wrong."""

    retryable = False


class ChatUrlError(SinkError):
    """A chat URL is not one that Apprise can use (the message does not quote it)."""


_PLAIN = SinkError | KafkaError | StuckClientError


@contextmanager
def plain_errors() -> Iterator[None]:
    """Errors out of a task group as they were raised, for callers that tell them by class.

    A single one comes out as itself; of several that are all `SinkError`, ``KafkaError`` or
    `StuckClientError` the first one does (mostly each task met the same one). Any others stay a
    group.
    """
    try:
        yield
    except ExceptionGroup as group:
        leaves = list(_leaves(group))
        if len(leaves) > 1 and not all(isinstance(one, _PLAIN) for one in leaves):
            raise
        raise leaves[0] from None


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for one in group.exceptions:
        if isinstance(one, ExceptionGroup):
            yield from _leaves(one)
        else:
            yield one
