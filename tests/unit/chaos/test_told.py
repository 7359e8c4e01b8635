"""What the chat must have been told, and what must not be told twice in silence."""

from __future__ import annotations

import json
from pathlib import Path

from sinks.messages import POSSIBLE_REPEAT
from tests.chaos.recompute import Change
from tests.chaos.told import MARK, compare_told, must_be_told

LIFE = [
    Change("pending", 10, 0, 1.0),
    Change("firing", 20, 1, 1.0),
    Change("resolved", 30, 2, 0.0),
    Change("pending", 30, 3, 1.0),
    Change("resolved", 40, 4, 0.0),
]
ALERTS = {"a": LIFE, "b": LIFE[:1], "c": LIFE[:2]}


def chat(path: Path, *messages: tuple[str, str] | str) -> Path:
    file = path / "messages.ndjson"
    lines = [
        one if isinstance(one, str) else json.dumps({"id": one[0], "body": one[1]})
        for one in messages
    ]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


WHOLE = (("a:firing:1", "x"), ("c:firing:1", "x"), ("a:resolved:2", "x"))


def test_told_are_firings_and_the_ends_of_what_has_fired():
    assert list(must_be_told(ALERTS)) == ["a:firing:1", "a:resolved:2", "c:firing:1"]


def test_each_message_once_is_as_it_must_be(tmp_path):
    assert compare_told(ALERTS, chat(tmp_path, *WHOLE)) == ([], 3, 0)


def test_a_repeat_that_says_so_is_counted_and_right(tmp_path):
    again = ("a:firing:1", f"x\n{POSSIBLE_REPEAT}")
    assert compare_told(ALERTS, chat(tmp_path, *WHOLE, again)) == ([], 4, 1)
    assert POSSIBLE_REPEAT.startswith(MARK)


def test_a_repeat_that_does_not_say_so_is_wrong(tmp_path):
    told = compare_told(ALERTS, chat(tmp_path, *WHOLE, WHOLE[0]))
    assert told.wrong == ["a:firing:1 was told 2 times without saying so"]


def test_what_was_never_told_or_should_not_have_been_and_torn_lines_are_wrong(tmp_path):
    told = compare_told(ALERTS, chat(tmp_path, *WHOLE[1:], ("b:firing:1", "x"), '{"id":"a'))
    assert told.wrong == [
        "b:firing:1 should not have been told",
        'a line of the chat is torn: {"id":"a',
        "a:firing:1 was never told",
    ]


def test_a_chat_without_a_file_was_told_nothing(tmp_path):
    assert len(compare_told(ALERTS, tmp_path / "none").wrong) == 3
