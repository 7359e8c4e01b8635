"""Errors of the ingest package.

Every error says whether waiting may mend it: ``retryable`` ones are met with back-off, the
others end the bridge. A ``refusal`` ends it only at its start: that is a wrong setting. One that
was let in before waits, so that no restart or mistake at a server ends it.
"""

from __future__ import annotations

from schemas.deadletters import Reason


class IngestError(Exception):
    """Something between MQTT and Kafka went wrong."""

    retryable: bool = False
    refusal: bool = False


class PersonKeyError(IngestError):
    """The key for persons' ids is missing, too weak, or cannot be read or made."""


class SealError(IngestError):
    """A sealed dead letter cannot be opened with this key."""


class MqttError(IngestError):
    """The MQTT connection cannot be made or kept."""

    retryable = True


class MqttRefusedError(MqttError):
    """The broker answered CONNECT, SUBSCRIBE or UNSUBSCRIBE with a refusal.

    ``code`` is the MQTT 5 reason code (128 or higher).
    """

    refusal = True

    def __init__(self, message: str, *, code: int, retryable: bool) -> None:
        """Keep the broker's reason code, and whether trying again can help."""
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class MqttUntrustedError(MqttError):
    """The broker's certificate is not one to trust, or its port does not speak TLS."""

    retryable = False
    refusal = True


class SessionTakenOverError(MqttError):
    """Another client has connected with the same client id (DISCONNECT 0x8E)."""

    retryable = False


class AdoptionError(IngestError):
    """A bridge's session can't be adopted, or not to its end."""


class KafkaFailedError(IngestError):
    """Kafka has given up on records that were handed to it; they must be read again."""

    retryable = True


class KafkaRefusedError(IngestError):
    """Kafka does not let the bridge in, or has a certificate that is not one to trust."""

    refusal = True


class KafkaTopicError(IngestError):
    """A Kafka topic is missing, or does not have the shape that the bridge needs."""

    retryable = True


class RejectedError(IngestError):
    """Input that becomes a dead letter: why, and one sentence that never quotes it."""

    def __init__(self, reason: Reason, detail: str) -> None:
        """Keep the reason code beside the sentence."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
