"""Chat channels: any messenger by Apprise, or a file and the screen where there is no URL."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import sys
from pathlib import Path
from typing import Protocol, TextIO

from apprise import Apprise, NotifyFormat, NotifyType
from pydantic import SecretStr

from sinks.errors import ChatUrlError
from sinks.messages import Message
from sinks.settings import ChatSinkSettings

_NOTIFY_TYPE = {"firing": NotifyType.FAILURE, "resolved": NotifyType.SUCCESS}
_NAME_DIGITS = 10


class Channel(Protocol):
    """Somewhere messages are told; ``name`` is stable and holds no secret."""

    @property
    def name(self) -> str:
        """What receipts and metrics call it."""

    async def send(self, message: Message) -> str | None:
        """Tell ``message``: None where it was taken, else why not (without secrets)."""


class AppriseChannel:
    """One Apprise URL. Its name is the URL's scheme and a hash, as the URL holds secrets."""

    def __init__(self, url: SecretStr, *, place: int, timeout_s: float) -> None:
        text = url.get_secret_value().strip()
        scheme = text.partition("://")[0].lower()
        self.name = f"{scheme}-{hashlib.sha256(text.encode()).hexdigest()[:_NAME_DIGITS]}"
        self._timeout_s = timeout_s
        # Apprise names URLs, and with them their tokens, in what it logs.
        logging.getLogger("apprise").addFilter(_nothing)
        self._apprise = Apprise()
        if not self._apprise.add(text):
            raise ChatUrlError(
                f"number {place} of the chat URLs (scheme '{scheme[:20]}') is not one that "
                "Apprise knows; see https://appriseit.com for its form, and QALA_CHAT_URLS"
            )

    async def send(self, message: Message) -> str | None:
        """Tell it; a message whose time ran out may have been taken all the same."""
        try:
            async with asyncio.timeout(self._timeout_s):
                taken = await self._apprise.async_notify(
                    title=message.title,
                    body=message.body,
                    body_format=NotifyFormat.TEXT,
                    notify_type=_NOTIFY_TYPE.get(message.state, NotifyType.INFO),
                )
        except TimeoutError:
            return f"{self.name} did not answer within {self._timeout_s:g} s"
        return None if taken else f"{self.name} did not take the message"


class FileChannel:
    """``messages.ndjson`` in ``folder``, and one line on the screen."""

    name = "file"

    def __init__(self, folder: Path, screen: TextIO) -> None:
        self._file = folder / "messages.ndjson"
        self._screen = screen

    async def send(self, message: Message) -> str | None:
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
            return f"{self._file.name} cannot be written ({exc.strerror})"
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


def _nothing(_record: logging.LogRecord) -> bool:
    return False
