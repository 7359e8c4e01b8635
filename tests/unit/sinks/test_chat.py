"""Chat channels: their names, what they refuse, and the file where there is no URL."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from sinks import ChatSinkSettings, ChatUrlError
from sinks.channel_stage import first_moment_ms
from sinks.chat import Channel, FileChannel, channels_of
from sinks.messages import Message
from sinks.receipts import Noted

MESSAGE = Message("a:firing", "a", "firing", "[info] FIRING r", "Ozone “high”\nsite: s")


def test_a_channels_name_holds_nothing_of_its_url():
    url = "json://user:made-up-password@chat.example/secret-token"
    (channel,) = channels_of(ChatSinkSettings(urls=[SecretStr(url)]))
    assert channel.name.startswith("json-")
    for part in ("user", "password", "example", "token"):
        assert part not in channel.name


def test_the_same_url_twice_is_one_channel_and_another_url_another():
    urls = [SecretStr(f"json://127.0.0.1/{name}") for name in ("a", "b", "a")]
    names = [channel.name for channel in channels_of(ChatSinkSettings(urls=urls))]
    assert len(set(names)) == len(names) == 2


def test_a_url_that_apprise_does_not_know_is_named_by_its_place_and_neither_quoted_nor_logged(
    caplog,
):
    urls = [SecretStr("json://127.0.0.1"), SecretStr("nochat://secret-token@host")]
    with caplog.at_level(logging.DEBUG), pytest.raises(ChatUrlError, match="number 2") as caught:
        channels_of(ChatSinkSettings(urls=urls))
    assert "secret-token" not in str(caught.value)
    assert "secret-token" not in caplog.text


def test_a_url_without_a_scheme_is_named_by_its_place_and_not_quoted():
    urls = [SecretStr("json://127.0.0.1"), SecretStr("secret-token")]
    with pytest.raises(
        ChatUrlError, match="number 2 of the chat URLs has no `scheme://`"
    ) as caught:
        channels_of(ChatSinkSettings(urls=urls))
    assert "secret" not in str(caught.value)


async def test_without_a_url_messages_go_to_a_file_and_the_screen(tmp_path):
    screen = io.StringIO()
    channel = FileChannel(tmp_path / "chat", screen)
    assert await channel.send(MESSAGE) is None
    assert await channel.send(MESSAGE) is None
    lines = (tmp_path / "chat" / "messages.ndjson").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["title"] for line in lines] == [MESSAGE.title] * 2
    assert screen.getvalue().splitlines() == ["[info] FIRING r: Ozone “high”"] * 2


async def test_a_file_that_cannot_be_written_is_a_reason_to_try_again(tmp_path):
    (tmp_path / "chat").write_text("a file where the folder should be")
    assert await FileChannel(tmp_path / "chat", io.StringIO()).send(MESSAGE)


def test_settings_without_urls_make_the_file_channel(tmp_path):
    (channel,) = channels_of(ChatSinkSettings(folder=tmp_path))
    assert channel.name == "file"


class Hostile:
    """A chat's server that answers with ``status``, or hangs up or stays silent after reading."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.port = 0
        self.asked = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        if self.what == "silence":
            await reader.read()
        elif self.what != "hang up":
            writer.write(f"HTTP/1.1 {self.what} X\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        writer.close()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Channel]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self.channel()

    def channel(self) -> Channel:
        url = SecretStr(f"json://127.0.0.1:{self.port}/?rto=0.3&cto=0.3")
        (made,) = channels_of(ChatSinkSettings(urls=[url]))
        return made


async def test_a_chat_that_answers_ok_has_the_message():
    async with Hostile("200").listening() as channel:
        assert await channel.send(MESSAGE) is None


@pytest.mark.parametrize("status", ["400", "429", "503"])
async def test_a_chat_that_answers_no_has_clearly_not_taken_the_message(status):
    async with Hostile(status).listening() as channel:
        refusal = await channel.send(MESSAGE)
    assert refusal is not None
    assert not refusal.perhaps_taken


@pytest.mark.parametrize("what", ["hang up", "silence"])
async def test_a_chat_that_gives_no_answer_may_have_taken_the_message(what, caplog):
    chat = Hostile(what)
    with caplog.at_level(logging.DEBUG):
        async with chat.listening() as channel:
            refusal = await channel.send(MESSAGE)
    assert chat.asked == 1
    assert refusal is not None
    assert refusal.perhaps_taken
    assert [one for one in caplog.records if one.name == "apprise"] == []
    assert str(chat.port) not in refusal.reason


async def test_a_chat_that_cannot_be_reached_has_clearly_not_taken_the_message():
    chat = Hostile("200")
    async with chat.listening():
        pass
    refusal = await chat.channel().send(MESSAGE)
    assert refusal is not None
    assert not refusal.perhaps_taken


@pytest.mark.parametrize(
    "noted, expected",
    [
        ({}, 90),
        ({"ours": Noted(newest_ms=50)}, 40),
        ({"ours": Noted(newest_ms=50), "other": Noted(newest_ms=70)}, 40),
        ({"other": Noted(newest_ms=70), "third": Noted(newest_ms=60)}, 70),
    ],
)
def test_where_a_channel_begins_that_has_no_place_in_the_alerts_yet(noted, expected):
    assert first_moment_ms(noted, "ours", now_ms=100, look_back_ms=10) == expected
