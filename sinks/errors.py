"""Errors of the sinks package."""

from __future__ import annotations


class SinkError(Exception):
    """A sink cannot do its work, and waiting does not mend it."""


class UnsupportedInfluxError(SinkError):
    """The InfluxDB at the configured address is older than 1.8, or is not InfluxDB."""


class ChatUrlError(SinkError):
    """A chat URL is not one that Apprise can use (the message does not quote it)."""
