"""Values behind the worker: keys, and a round trip of each."""

from __future__ import annotations

import msgspec
import pytest

from schemas.examples import EXAMPLES
from schemas.records import (
    WINDOW_MS,
    Rollup,
    Throughput,
    WorkerProgress,
    decode_alert,
    decode_device,
    decode_receipt,
    decode_rollup,
    device_key,
    encode,
    rollup_key,
)

ROLLUP = msgspec.convert(EXAMPLES["rollup.json"][0], Rollup)
THROUGHPUT = msgspec.convert(EXAMPLES["throughput.json"][0], Throughput)


@pytest.mark.parametrize(
    "name, decode",
    [
        ("rollup.json", decode_rollup),
        ("throughput.json", decode_rollup),
        ("progress.json", decode_rollup),
        ("alert.json", decode_alert),
        ("device.json", decode_device),
        ("chat-receipt.json", decode_receipt),
    ],
)
def test_a_value_is_read_back_as_it_was_written(name, decode):
    value = decode(msgspec.json.encode(EXAMPLES[name][0]))
    assert decode(encode(value)) == value
    with pytest.raises(msgspec.DecodeError):
        decode(b"{}")


def test_windows_have_the_lengths_of_their_names():
    assert WINDOW_MS == {"10s": 10_000, "1m": 60_000, "1h": 3_600_000}


def test_the_key_of_a_rollup_names_its_series_and_its_window():
    assert rollup_key(ROLLUP) == b"stop-1/ion-1/air/10s/1767225600000+0"
    assert rollup_key(THROUGHPUT) == b"stop-1/ionizer/throughput/10s/1767225600000"


@pytest.mark.parametrize(
    "change",
    [
        {"site": "stop-2"},
        {"device": "ion-2"},
        {"type": "audio"},
        {"window": "1m"},
        {"start": ROLLUP.start + 10_000},
        {"shift": 8},
        {"tags": {"direction": "in"}},
    ],
    ids=str,
)
def test_partials_that_are_not_the_same_have_other_keys(change):
    assert rollup_key(msgspec.structs.replace(ROLLUP, **change)) != rollup_key(ROLLUP)


def test_a_key_does_not_depend_on_what_was_counted():
    assert rollup_key(msgspec.structs.replace(ROLLUP, count=9, fields={})) == rollup_key(ROLLUP)
    assert rollup_key(msgspec.structs.replace(THROUGHPUT, readings=9)) == rollup_key(THROUGHPUT)


@pytest.mark.parametrize(
    "change", [{"site": "s"}, {"kind": "desk"}, {"window": "1h"}, {"start": 0}]
)
def test_throughput_of_another_site_kind_or_window_has_another_key(change):
    assert rollup_key(msgspec.structs.replace(THROUGHPUT, **change)) != rollup_key(THROUGHPUT)


def test_the_key_of_progress_is_its_partition_and_its_clock():
    progress = WorkerProgress(partition=3, partitions=8, clock=1000, accepted=5)
    assert rollup_key(progress) == b"progress/3/1000"


def test_a_device_record_of_a_program_that_did_not_say_when_it_was_told_is_read():
    known = EXAMPLES["device.json"][0]
    old = {key: value for key, value in known.items() if key not in {"at", "late"}}
    record = decode_device(msgspec.json.encode(old))
    assert (record.at, record.late) == (None, 0)


def test_a_device_is_keyed_by_site_and_device():
    assert device_key("stop-1", "ion-1") == b"stop-1/ion-1"


def test_an_alert_has_not_fired_unless_it_says_so():
    silent = {key: value for key, value in EXAMPLES["alert.json"][0].items() if key != "fired"}
    assert decode_alert(msgspec.json.encode(silent)).fired is False
    assert b"fired" not in encode(decode_alert(msgspec.json.encode(silent)))


@pytest.mark.parametrize("value", [b"", b"7", b'{"site":"\xff"}', b'{"x":' + b"[" * 100_000])
@pytest.mark.parametrize("decode", [decode_rollup, decode_alert, decode_device, decode_receipt])
def test_what_is_no_record_is_refused_by_one_error_whatever_is_wrong_with_it(decode, value):
    with pytest.raises(msgspec.DecodeError):
        decode(value)
