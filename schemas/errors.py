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


class ClockError(SchemaError):
    """A ``--clock START,SPEED`` setting cannot be understood."""
