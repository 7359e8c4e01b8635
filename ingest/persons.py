"""The key that keeps persons out of what is stored: pseudonyms and sealed dead letters.

A person's id becomes HMAC-SHA-256 of it under a derived key, cut to 128 bits. What may hold an
id is sealed by AES-256-GCM (NIST SP 800-38D) under another. Both keys are derived from
``QALA_PERSON_KEY`` by HKDF-SHA-256 (RFC 5869), each with its own purpose.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ingest.errors import PersonKeyError, SealError

KEY_FILE: Final = "person.key"
_MIN_CHARS: Final = 32
_MIN_DISTINCT: Final = 8
_PSEUDONYM_CHARS: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
SEAL_BYTES: Final = _NONCE_BYTES + _TAG_BYTES
"""What sealing adds to the bytes that came in."""
_SCHEME: Final = "v1"
_MADE: Final = "write 32 or more random characters, such as those of: openssl rand -hex 32"

_log = structlog.get_logger(__name__)


class PersonKey:
    """Makes pseudonyms, seals and opens; never shows the key."""

    def __init__(self, secret: str) -> None:
        """Derive the keys of ``secret``.

        Raises:
            PersonKeyError: ``secret`` is empty or too weak to keep anything.
        """
        secret = secret.strip()
        if len(secret) < _MIN_CHARS or len(set(secret)) < _MIN_DISTINCT:
            raise PersonKeyError(
                f"the key for persons' ids (QALA_PERSON_KEY or {KEY_FILE}) is too weak; {_MADE}"
            )
        root = secret.encode()
        self._pseudonyms = _derived(root, b"qala pseudonyms v1")
        sealing = _derived(root, b"qala sealing v1")
        self._cipher = AESGCM(sealing)
        fingerprint = hashlib.sha256(b"qala fingerprint v1" + sealing).hexdigest()[:8]
        self.sealed = f"{_SCHEME}:{fingerprint}"
        """Value of the header ``sealed``: the scheme, and which key it was."""

    def pseudonym(self, person: str) -> str:
        """32 hex digits that stand for ``person``: always the same under the same key."""
        return hmac.digest(self._pseudonyms, person.encode(), "sha256").hex()[:_PSEUDONYM_CHARS]

    def seal(self, plain: bytes) -> bytes:
        """``plain`` encrypted: 12 bytes of nonce, then ciphertext and its 16 bytes of tag."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, self.sealed.encode())

    def open(self, sealed: bytes, header: str) -> bytes:
        """What `seal` was given; ``header`` is the value of the record's header ``sealed``.

        Raises:
            SealError: it was sealed with another key or scheme, or is damaged.
        """
        if header != self.sealed:
            raise SealError(
                f"this was sealed with the key '{header}', and the key here is '{self.sealed}'; "
                "set QALA_PERSON_KEY to the one that the bridge had"
            )
        try:
            nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, rest, self.sealed.encode())
        except (InvalidTag, ValueError) as exc:
            raise SealError("the sealed bytes are damaged or cut; they cannot be opened") from exc

    def __repr__(self) -> str:
        """Which key it is, without the key."""
        return f"PersonKey({self.sealed})"

    def __reduce__(self) -> str:
        """Refuse to be pickled: the key stays in this process."""
        raise TypeError("a PersonKey is not pickled; give the other process its own")


def load_person_key(secret: str | None, data: Path) -> PersonKey:
    """The key of ``QALA_PERSON_KEY`` (``secret``), or of ``data/person.key``, made if absent.

    Raises:
        PersonKeyError: the key is too weak, or its file cannot be read or made.
    """
    if secret is not None:
        return PersonKey(secret)
    path = data / KEY_FILE
    try:
        if not path.exists() and _made(path):
            _log.warning(
                "no QALA_PERSON_KEY is set: made a key for persons' ids, keep it safe",
                path=str(path),
            )
        if path.stat().st_mode & 0o077:
            raise PersonKeyError(
                f"the key file {path} can be read by others; make it private: chmod 600 {path}"
            )
        return PersonKey(path.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError) as exc:
        raise PersonKeyError(
            f"the key file {path} cannot be read or made ({exc}); set QALA_PERSON_KEY, or let "
            "this user write there"
        ) from exc


def _made(path: Path) -> bool:
    """Make the key file, whole or not at all; False where another process was first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # unlike a rename, it never replaces another's key
            return True
        return False
    finally:
        draft.unlink()


def _derived(root: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(root)
