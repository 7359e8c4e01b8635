"""Dead letters as Kafka records."""

from __future__ import annotations

import hashlib

from ingest import PersonKey
from ingest.deadletters import dead_letter
from ingest.decode import Rejection
from schemas.deadletters import MAX_LETTER_BYTES, Reason

KEY = PersonKey("a-key-for-tests-0123456789-abcdefgh")
DETAIL = "the field 'x' must be a number"


def letter(body: bytes, index: int | None = None, *, personal: bool = False):
    rejection = Rejection(
        Reason.WRONG_TYPE, "the field 'x' must be a number", body, index, personal
    )
    value, headers = dead_letter(
        rejection, topic="qala/v1/s/desk/d/telemetry", rx_us=7, bridge="b", key=KEY
    )
    assert len(dict(headers)) == len(headers)
    return value, dict(headers)


def test_a_letter_has_its_own_bytes_and_says_why() -> None:
    value, headers = letter(b'{"x":"y"}', 3)
    assert value == b'{"x":"y"}'
    assert headers == {
        "topic": b"qala/v1/s/desk/d/telemetry",
        "rx": b"7",
        "reason": b"wrong_type",
        "detail": DETAIL.encode(),
        "bridge": b"b",
        "index": b"3",
    }


def test_what_may_hold_a_person_is_sealed() -> None:
    value, headers = letter(b"secret", personal=True)
    assert b"secret" not in value
    assert KEY.open(value, headers["sealed"].decode()) == b"secret"
    assert "index" not in headers


def test_a_long_letter_is_cut_and_says_what_it_was() -> None:
    body = b"x" * (MAX_LETTER_BYTES + 1)
    for personal in (False, True):
        value, headers = letter(body, personal=personal)
        assert headers["size"] == b"900001"
        assert headers["sha256"] == hashlib.sha256(body).hexdigest().encode()
        plain = KEY.open(value, headers["sealed"].decode()) if personal else value
        assert plain == body[:MAX_LETTER_BYTES]
    assert "size" not in letter(body[:-1])[1]
