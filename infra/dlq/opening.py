"""Opening sealed letters with the key that is at hand."""

from __future__ import annotations

from infra.dlq.errors import DeadLetterError
from infra.dlq.letters import Letter
from infra.settings import Settings
from ingest.errors import IngestError
from ingest.persons import KEY_FILE, PersonKey, load_person_key


def key_at_hand(settings: Settings) -> PersonKey | None:
    """The bridge's key: ``QALA_PERSON_KEY``, or the data folder's; never made here.

    Raises:
        DeadLetterError: there is one, which cannot be used.
    """
    secret = settings.person.key
    if secret is None and not (settings.data / KEY_FILE).exists():
        return None
    try:
        return load_person_key(secret.get_secret_value() if secret else None, settings.data)
    except IngestError as exc:
        raise DeadLetterError(str(exc)) from exc


def opened(letter: Letter, value: bytes, key: PersonKey | None) -> bytes:
    """The bytes that came in, of a letter whose bytes in Kafka are ``value``.

    Raises:
        DeadLetterError: it is sealed, and ``key`` is none, is another one, or can't open it.
    """
    if letter.sealed is None:
        return value
    if key is None:
        raise DeadLetterError(
            "it is sealed, and the key is not here; set QALA_PERSON_KEY, or name the bridge's "
            "data folder with --data"
        )
    try:
        return key.open(value, letter.sealed)
    except IngestError as exc:
        raise DeadLetterError(str(exc)) from exc
