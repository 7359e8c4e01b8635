"""Why a server does not let a client in, in words for whoever runs Qala. No I/O."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from schemas.errors import ServerAccessError, ServerAwayError, ServerRefusedError

# OpenSSL's X509_V_ERR_* (x509_vfy.h)
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_OTHER_NAME: Final = frozenset({62, 64})
HTTP_TO_HTTPS: Final = "HTTP request to an HTTPS server"
"""What a server written in Go answers (400) where it is spoken to without TLS."""
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"})


@dataclass(frozen=True, slots=True)
class ServerWords:
    """What the settings of one server are called: ``QALA_MQTT_CA`` and so on.

    ``to_tls`` and ``to_plain`` say how the other way of speaking is chosen.
    """

    server: str
    address: str
    ca: str
    to_tls: str
    to_plain: str


MQTT: Final = ServerWords(
    server="the MQTT broker",
    address="QALA_MQTT_URL",
    ca="QALA_MQTT_CA",
    to_tls="write mqtts:// into QALA_MQTT_URL",
    to_plain="write mqtt:// into QALA_MQTT_URL",
)
KAFKA: Final = ServerWords(
    server="Kafka",
    address="QALA_KAFKA_BOOTSTRAP",
    ca="QALA_KAFKA_CA",
    to_tls="set QALA_KAFKA_SECURITY to SSL, or to SASL_SSL where it wants a user",
    to_plain="set QALA_KAFKA_SECURITY to PLAINTEXT or SASL_PLAINTEXT",
)
INFLUX: Final = ServerWords(
    server="InfluxDB",
    address="QALA_INFLUX_URL",
    ca="QALA_INFLUX_CA",
    to_tls="write https:// into QALA_INFLUX_URL",
    to_plain="write http:// into QALA_INFLUX_URL",
)


def access_error(
    words: ServerWords, address: object, error: BaseException, *, tls: bool
) -> ServerAccessError:
    """What a failed attempt to connect to ``address`` means, with ``tls`` or without."""
    where = f"{words.server} at {address}"
    for one in _chain(error):
        # aiohttp's own error is one of these, too, without the code; what it wraps comes next
        if isinstance(one, ssl.SSLCertVerificationError) and hasattr(one, "verify_code"):
            return ServerRefusedError(f"{where} is not trusted: {_of_certificate(words, one)}")
        if isinstance(one, ssl.SSLError) and getattr(one, "reason", None) in _NO_TLS:
            return ServerRefusedError(
                f"{where} does not speak TLS on this port; name its TLS port in {words.address}, "
                f"or {words.to_plain}"
            )
    if any(
        isinstance(one, ConnectionResetError | EOFError | ssl.SSLError) for one in _chain(error)
    ):
        return closed_early(words, address, tls=tls)
    return ServerAwayError(
        f"{where} cannot be reached ({_reason(error)}); is it running, and is {words.address} "
        "right?"
    )


def plain_to_tls(words: ServerWords, address: object) -> ServerRefusedError:
    """A server that says it was spoken to without TLS on a port that wants it."""
    return ServerRefusedError(
        f"{words.server} at {address} speaks TLS on this port; {words.to_tls}"
    )


def closed_early(words: ServerWords, address: object, *, tls: bool) -> ServerAccessError:
    """A server that hung up before it said a word: starting, or not speaking our way."""
    hint = (
        f"where this port does not speak TLS, {words.to_plain}"
        if tls
        else f"where this port speaks TLS, {words.to_tls}"
    )
    return ServerAwayError(
        f"{words.server} at {address} closed the connection before it answered; it may be "
        f"starting, and {hint}"
    )


def _of_certificate(words: ServerWords, error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return "its certificate has expired; renew it at the server, or set this machine's clock"
    if error.verify_code == _NOT_YET_VALID:
        return "its certificate is not valid yet; set the clock of the server or of this machine"
    if error.verify_code in _OTHER_NAME:
        return (
            f"its certificate is for another name; write a name of the certificate into "
            f"{words.address}, or give the server a certificate for this one"
        )
    return (
        "its certificate is not from an authority known here; set "
        f"{words.ca} to the PEM file of the authority that signed it"
    )


def _reason(error: BaseException) -> str:
    """The system's own words (no library's: those may quote what they were given)."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno:
            # asyncio puts the address into strerror; a failed look-up of a name has a code < 0
            return os.strerror(one.errno) if one.errno > 0 else str(one.strerror)
    return type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from; aiohttp keeps the original in an attribute."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [
            getattr(one, "certificate_error", None),
            getattr(one, "os_error", None),
            one.__cause__,
            one.__context__,
        ]
