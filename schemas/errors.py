"""Errors of the schemas package."""

from __future__ import annotations


class SchemaError(ValueError):
    """Something does not have the shape that the contract gives it."""


class TopicError(SchemaError):
    """An MQTT topic is not one of ``qala/v1/{site}/{kind}/{device}/{channel}``.

    ``reason`` is the dead-letter reason code (see `schemas.deadletters.Reason`).
    """

    def __init__(self, reason: str, detail: str) -> None:
        """Keep the reason code beside the sentence that explains it."""
        super().__init__(detail)
        self.reason = reason


class ConnectionSettingError(SchemaError):
    """A connection setting (a URL, a certificate, a security protocol) cannot be used."""

    retryable = False


class ServerAccessError(Exception):
    """A server cannot be used now; the message says why and what to do, without a secret.

    ``retryable`` says whether that may pass without anybody's doing.
    """

    retryable = True


class ServerAwayError(ServerAccessError):
    """Nobody answers at the address, or hangs up before saying why."""


class ServerRefusedError(ServerAccessError):
    """The server, or its certificate, does not let this client in."""

    retryable = False


class StuckClientError(Exception):
    """A client of Kafka hangs, while Kafka serves others; a new one, or a new start, helps."""

    retryable = True


class ClockError(SchemaError):
    """A ``--clock START,SPEED`` setting cannot be understood."""
