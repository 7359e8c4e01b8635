"""Chat channels: their names, what they refuse, and the file where there is no URL."""

from __future__ import annotations

import io
import json
import logging

import pytest
from pydantic import SecretStr

from sinks import ChatSinkSettings, ChatUrlError
from sinks.chat import FileChannel, channels_of
from sinks.messages import Message

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
