"""Exported letters are read again as they were written, and what was mended badly is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.dlq.errors import ExportError
from infra.dlq.exported import entries, json_line, with_bytes, written_whole
from infra.dlq.letters import Ref, letter_of

UTF_8 = st.characters(codec="utf-8")
TOPICS = st.text(UTF_8, min_size=1, max_size=60).filter(lambda text: not {*"+#\0"} & set(text))
LETTERS = st.lists(
    st.tuples(
        TOPICS,
        st.binary(max_size=80) | st.text(UTF_8, max_size=60).map(str.encode),
        st.booleans(),
        st.none() | st.integers(0, 10**17),
    ),
    max_size=5,
)


def line(**changes: object) -> bytes:
    known = {"ref": "3/1042", "topic": "qala/v1/a/desk/b/status", "rx": 1, "payload": "{}"}
    return json.dumps(known | changes).encode()


@given(LETTERS)
def test_letters_of_any_bytes_are_read_again_as_they_were_written(tmp_path_factory, drawn):
    path = tmp_path_factory.mktemp("exported") / "letters.ndjson"
    with written_whole(path) as file:
        for number, (topic, body, sealed, rx) in enumerate(drawn):
            headers = [("topic", topic.encode()), ("sealed", b"v1:0")][: 1 + sealed]
            headers += [] if rx is None else [("rx", b"%d" % rx)]
            letter = letter_of(Ref(3, number), 0, len(body), headers)
            file.write(json_line(with_bytes(letter, body, sealed=sealed)) + "\n")
    found = list(entries(path))
    assert [(one.topic, one.payload, one.sealed, one.rx_us) for one in found] == drawn


@pytest.mark.parametrize(
    "content, why",
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"7", "not an object"),
        (line(ref=7), "'ref' and 'topic'"),
        (line(ref="3"), "PARTITION/OFFSET"),
        (line(payload=None), "either 'payload'"),
        (line(payload={}), "must be text"),
        (line(payload=None, payload_base64="é"), "not base64|ASCII"),
        (line(payload=None, payload_base64="A"), "not base64"),
        (line(payload=None, payload_base64=[]), "not base64"),
        (line(topic=""), "'topic' is none"),
        (line(topic="qala/v1/#"), "'topic' is none"),
        (line(topic="qala/v1/+/desk/b/status"), "'topic' is none"),
        (line(topic="a\0b"), "'topic' is none"),
        (line(topic="\ud800"), "'topic' is none"),
        (line(topic="é" * 40_000), "'topic' is none"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_line_that_was_mended_badly_is_refused_by_its_number(tmp_path, content, why):
    path = tmp_path / "letters.ndjson"
    path.write_bytes(line() + b"\n\n" + content + b"\n")
    with pytest.raises(ExportError, match=rf"letters\.ndjson:3: .*({why})"):
        list(entries(path))
