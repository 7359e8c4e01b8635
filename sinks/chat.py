"""Chat channels: any messenger by Apprise, or a file and the screen where there is no URL."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TextIO

from apprise import Apprise, NotifyFormat, NotifyType
from pydantic import SecretStr

from sinks.errors import ChatUrlError
from sinks.messages import Message
from sinks.settings import FILE_CHANNEL, ChatSinkSettings

_NOTIFY_TYPE = {"firing": NotifyType.FAILURE, "resolved": NotifyType.SUCCESS}
_NAME_DIGITS = 10
_SAID: ContextVar[list[str] | None] = ContextVar("what Apprise says of a sending", default=None)
_FAILED_ON_THE_WAY = "Socket Exception"
_NEVER_SENT = (
    "NewConnectionError", "Failed to establish a new connection", "ConnectTimeout",
    "NameResolutionError", "SSLCertVerificationError", "Connection refused", "No route to host",
    "Name or service not known",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a channel did not take a message, without secrets.

    ``perhaps_taken`` says that there was no answer, so that it may have taken it all the same.
    """

    reason: str
    perhaps_taken: bool = False


class Channel(Protocol):
    """Somewhere messages are told; ``name`` is stable and holds no secret."""

    @property
    def name(self) -> str:
        """What receipts and metrics call it."""

    async def send(self, message: Message) -> Refusal | None:
        """Tell ``message``: None where it was taken, else why not."""


class AppriseChannel:
    """One Apprise URL. Its name is the URL's scheme and a hash, as the URL holds secrets."""

    def __init__(self, url: SecretStr, *, place: int, timeout_s: float) -> None:
        text = url.get_secret_value().strip()
        scheme, separator, _ = text.partition("://")
        if not separator:
            raise ChatUrlError(
                f"number {place} of the chat URLs has no `scheme://`; see https://appriseit.com "
                "for the form of a messenger's URL, and QALA_CHAT_URLS"
            )
        scheme = scheme.lower()
        self.name = f"{scheme}-{hashlib.sha256(text.encode()).hexdigest()[:_NAME_DIGITS]}"
        self._timeout_s = timeout_s
        # Apprise names URLs, and with them their tokens, in what it logs; what it says of a
        # failure is told in no other way.
        logger = logging.getLogger("apprise")
        logger.setLevel(logging.DEBUG)
        logger.addFilter(_overhear)
        self._apprise = Apprise()
        if not self._apprise.add(text):
            raise ChatUrlError(
                f"number {place} of the chat URLs (scheme '{scheme[:20]}') is not one that "
                "Apprise knows; see https://appriseit.com for its form, and QALA_CHAT_URLS"
            )

    async def send(self, message: Message) -> Refusal | None:
        """Tell it; a message without an answer may have been taken all the same."""
        said: list[str] = []
        _SAID.set(said)
        try:
            async with asyncio.timeout(self._timeout_s):
                taken = await asyncio.to_thread(
                    self._apprise.notify,
                    title=message.title,
                    body=message.body,
                    body_format=NotifyFormat.TEXT,
                    notify_type=_NOTIFY_TYPE.get(message.state, NotifyType.INFO),
                )
        except TimeoutError:
            reason = f"{self.name} did not answer within {self._timeout_s:g} s"
            return Refusal(reason, perhaps_taken=True)
        finally:
            _SAID.set(None)
        if taken:
            return None
        return Refusal(f"{self.name} did not take the message", perhaps_taken=_unanswered(said))


class FileChannel:
    """``messages.ndjson`` in ``folder``, and one line on the screen."""

    name = FILE_CHANNEL

    def __init__(self, folder: Path, screen: TextIO) -> None:
        self._file = folder / "messages.ndjson"
        self._screen = screen

    async def send(self, message: Message) -> Refusal | None:
        """Append it and show it."""
        entry = {
            "id": message.id,
            "alert": message.alert,
            "state": message.state,
            "title": message.title,
            "body": message.body,
        }
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(entry, ensure_ascii=False) + "\n")
        except OSError as exc:
            return Refusal(f"{self._file.name} cannot be written ({exc.strerror})")
        self._screen.write(f"{message.title}: {message.body.splitlines()[0]}\n")
        self._screen.flush()
        return None


def channels_of(settings: ChatSinkSettings) -> list[Channel]:
    """One channel for each URL (the same URL twice is one), or the file where there is none.

    Raises:
        ChatUrlError: a URL is not one of Apprise's.
    """
    made: dict[str, Channel] = {}
    for place, url in enumerate(settings.urls, 1):
        channel = AppriseChannel(url, place=place, timeout_s=settings.send_timeout_s)
        made[channel.name] = channel
    return list(made.values()) or [FileChannel(settings.folder, sys.stdout)]


def _overhear(record: logging.LogRecord) -> bool:
    """Keep what Apprise says for `AppriseChannel.send`, and let none of it into a log."""
    said = _SAID.get()
    if said is not None:
        said.append(record.getMessage())
    return False


def _unanswered(said: list[str]) -> bool:
    """Whether a sending broke off after it had begun: an error on the way, and not before it."""
    broken = [text for text in said if _FAILED_ON_THE_WAY in text]
    return any(not any(sign in text for sign in _NEVER_SENT) for text in broken)
