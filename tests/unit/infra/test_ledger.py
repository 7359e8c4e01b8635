"""The ledger: what is written is read back, and a run that was cut off is read up to there."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.ledger import Header, Ledger, LedgerError, LedgerWriter
from infra.simulator.message import Outgoing

HEADER = Header(seed=1, settings={"rate": 20.0}, clock="real", start_ms=1_764_000_000_000, boot=7)
READING = b'{"type":"temperature","ts":1,"boot":7,"seq":%d,"celsius":21.5}'


def write(path: Path, messages: list[Outgoing], *, end: bool = True) -> Path:
    writer = LedgerWriter(path)
    writer.begin(HEADER)
    for number, message in enumerate(messages):
        writer.append(message, 1000 + number)
    if end:
        writer.end(1.5)
    else:
        writer.close()
    return path


def message(payload: bytes, **rest) -> Outgoing:
    return Outgoing(
        0, "qala/v1/school-59/thermometer/thermo-01/telemetry", payload, times=1, **rest
    )


@pytest.mark.parametrize("name", ["ledger.ndjson", "ledger.ndjson.gz"])
def test_messages_are_read_back_in_their_order(tmp_path, name):
    sent = [message(READING % number) for number in range(2500)]
    ledger = Ledger(write(tmp_path / "new" / name, sent))
    entries = list(ledger.entries())
    assert ledger.header == HEADER
    assert [entry.payload for entry in entries] == [one.payload for one in sent]
    assert [entry.at for entry in entries] == list(range(1000, 3500))
    assert ledger.footer is not None
    assert (ledger.footer.messages, ledger.footer.readings) == (2500, 2500)
    assert (name[-2:] == "gz") == ((tmp_path / "new" / name).read_bytes()[:2] == b"\x1f\x8b")


@given(payload=st.binary(max_size=200))
def test_any_bytes_are_read_back_identical(tmp_path_factory, payload):
    path = tmp_path_factory.mktemp("ledger") / "l.ndjson"
    one = message(payload, meant="malformed", readings=0, rejected=1)
    entry = next(Ledger(write(path, [one])).entries())
    assert entry.payload == payload
    assert (entry.meant, entry.readings, entry.rejected) == ("malformed", 0, 1)
    assert entry.accepted() == []


def test_accepted_readings_of_an_array_are_those_that_are_not_bad(tmp_path):
    payload = b"[" + READING % 0 + b',{"type":"humidity"},' + READING % 1 + b"]"
    sent = message(payload, meant="malformed", readings=2, rejected=1, bad=(1,))
    entry = next(Ledger(write(tmp_path / "l", [sent])).entries())
    assert [reading["seq"] for reading in entry.accepted()] == [0, 1]


@pytest.mark.parametrize("name", ["l.ndjson", "l.ndjson.gz"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_ledger_that_was_cut_off_is_read_up_to_there(tmp_path, name, share):
    # hashes don't compress, so that a cut falls into the middle of the messages
    texts = [READING % (number * 2654435761 % 2**40) for number in range(4000)]
    path = write(tmp_path / name, [message(text) for text in texts])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    ledger = Ledger(path)
    found = [entry.payload for entry in ledger.entries()]
    assert 0 < len(found) < 4000
    assert found == texts[: len(found)]
    assert ledger.footer is None


@pytest.mark.parametrize("name", ["l.ndjson", "l.ndjson.gz"])
def test_what_was_flushed_is_there_before_the_writer_is_closed(tmp_path, name):
    writer = LedgerWriter(tmp_path / name)
    writer.begin(HEADER)
    writer.append(message(READING % 5), 1)
    writer.flush()
    assert len(list(Ledger(tmp_path / name).entries())) == 1
    writer.close()


def test_a_ledger_without_its_last_line_is_not_complete(tmp_path):
    ledger = Ledger(write(tmp_path / "l", [message(READING % 1)], end=False))
    assert len(list(ledger.entries())) == 1
    assert ledger.footer is None


def test_a_broken_line_that_is_not_the_last_is_an_error(tmp_path):
    path = write(tmp_path / "l", [message(READING % 1), message(READING % 2)])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"line":"mess\n' + b"".join(lines[1:]))
    with pytest.raises(LedgerError, match="line 2 is not"):
        list(Ledger(path).entries())


@pytest.mark.parametrize(
    "content",
    [b"", b"hello\n", b'{"line":"end"}\n', b"\x1f\x8b\x00", b'{"settings":' + b"[" * 100_000],
    ids=lambda content: repr(content[:20]),
)
@pytest.mark.parametrize("name", ["l", "l.gz"])
def test_a_file_that_is_no_ledger_is_refused_in_a_sentence(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LedgerError, match="ledger"):
        Ledger(tmp_path / name)


def test_a_ledger_that_is_not_there_or_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(LedgerError, match="cannot be read"):
        Ledger(tmp_path / "missing")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LedgerError, match="cannot be written"):
        LedgerWriter(tmp_path / "file" / "l")


def test_a_compressed_ledger_is_gzip_that_other_tools_read(tmp_path):
    path = write(tmp_path / "l.gz", [message(READING % 1)])
    assert len(gzip.decompress(path.read_bytes()).splitlines()) == 3
