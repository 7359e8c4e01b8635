"""The fuzzer's invariants on what it begins with, and on inputs that Hypothesis makes."""

from __future__ import annotations

import json
import sys
import time
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.readings import KIND_OF_TYPE
from schemas.topics import KINDS, mqtt_topic
from tests.fuzz import contract, intake, packets, readers, seeds
from tests.fuzz.limits import CPU_S, MEMORY_BYTES, check_cost
from tests.fuzz.memory import PARTITIONS
from tests.fuzz.mutate import Mutator
from tests.fuzz.targets import TARGETS

SEEDS = [(name, label, data) for name, one in TARGETS.items() for label, data in one.seeds()]
EXPENSIVE = list(seeds.expensive())
NUMBERS = st.integers() | st.floats(allow_nan=False) | st.sampled_from([0, 1, 12.0, 1e300, 2**63])
TEXTS = st.text(max_size=70) | st.sampled_from(["in", "s-1", "closed", "online", "body", "played"])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(autouse=True)
def _quiet_panics(monkeypatch: pytest.MonkeyPatch) -> None:
    """The MQTT library panics at text that is no UTF-8, and writes that down each time."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)


@pytest.mark.parametrize(
    "target, label, data", SEEDS, ids=[f"{t}-{label}" for t, label, _ in SEEDS]
)
def test_every_invariant_holds_for_what_the_fuzzer_begins_with(target, label, data):
    for memory in (False, True):
        TARGETS[target].check(data, memory=memory)


@pytest.mark.parametrize("label, data", EXPENSIVE, ids=[label for label, _ in EXPENSIVE])
def test_an_expensive_message_takes_bounded_time_and_memory(label, data):
    for memory in (False, True):
        intake.check(data, memory=memory)


@st.composite
def objects(draw: st.DrawFn) -> tuple[str, str, object]:
    """Kind, channel and an object with the fields that belong there, of right and wrong values."""
    name = draw(st.sampled_from([*KIND_OF_TYPE, "status", "reply"]))
    shapes = contract.REQUIRED[name] | contract.OPTIONAL[name]
    value = {field: draw(_values(shape)) for field, shape in shapes.items() if draw(_MOSTLY)}
    channel = name if name in {"status", "reply"} else "telemetry"
    if channel == "telemetry":
        value["type"] = name
    value |= draw(st.dictionaries(TEXTS, JSON, max_size=1))
    kind = KIND_OF_TYPE.get(name, "speaker") if draw(_MOSTLY) else draw(st.sampled_from(KINDS))
    return kind, channel, value


_MOSTLY = st.integers(0, 9).map(bool)


def _values(shape: contract.Field) -> st.SearchStrategy[object]:
    """Mostly what fits, at the ends of its range too, and sometimes anything."""
    if isinstance(shape, contract.Whole):
        fits = st.integers(shape.low, shape.high) | st.sampled_from(
            [shape.low, shape.high, shape.low - 1, shape.high + 1, float(shape.low + 1)]
        )
    elif isinstance(shape, contract.Number):
        fits = st.floats(shape.low, shape.high) | st.sampled_from(
            [shape.low, shape.high, shape.low - 1e-9, shape.high + 1e-9]
        )
    elif isinstance(shape, contract.Text):
        fits = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
        if shape.form != ".*":
            fits = st.from_regex(shape.form, fullmatch=True).filter(bool) | fits
    elif isinstance(shape, tuple):
        fits = st.sampled_from(shape)
    else:
        fits = st.booleans()
    return st.integers(0, 19).flatmap(lambda one: fits if one else JSON)


@given(objects(), st.none() | st.integers(0, 2), st.integers(0, 7))
def test_a_message_is_taken_in_or_rejected_as_the_contract_says(case, indent, flags):
    kind, channel, value = case
    body = json.dumps(value, indent=indent).encode()
    intake.check(intake.written(mqtt_topic("s", kind, "d", channel), body, b"%d" % flags))


@given(st.lists(objects(), min_size=1, max_size=3), st.sampled_from(KINDS))
def test_every_element_of_an_array_is_a_line_or_a_letter(cases, kind):
    body = json.dumps([value for _, _, value in cases]).encode()
    intake.check(intake.written(mqtt_topic("s", kind, "d", "telemetry"), body))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), st.binary())
def test_any_topic_and_any_bytes_are_one_letter(topic, payload):
    intake.check(intake.written(topic, payload))


@given(st.data())
def test_changed_messages_are_taken_in_or_rejected_as_the_contract_says(data):
    mutator = Mutator(seeds.dictionary(), topics=True)
    _, made = data.draw(st.sampled_from(list(seeds.of_intake())))
    for seed in data.draw(st.lists(st.integers(0, 2**32), min_size=1, max_size=4)):
        made = mutator(made, 4096, seed)
    intake.check(made)


@given(st.data())
def test_streams_of_packets_are_the_same_however_they_are_cut(data):
    parts = [made[2:] for _, made in seeds.of_packets()]
    junk = st.binary(max_size=30)
    stream = data.draw(st.lists(st.sampled_from(parts) | junk, max_size=4))
    packets.check(data.draw(st.binary(min_size=2, max_size=2)) + b"".join(stream))


@pytest.mark.parametrize("name", readers.NAMES)
@given(data=st.data())
def test_a_reader_of_bytes_raises_only_what_it_documents(name, data):
    begun = [made for _, made in seeds.of_readers() if made[0] == readers.NAMES.index(name)]
    mutator = Mutator(seeds.dictionary(), topics=False)
    made = data.draw(st.sampled_from(begun))
    for seed in data.draw(st.lists(st.integers(0, 2**32), max_size=4)):
        made = mutator(made, 4096, seed)
    readers.check(made)
    readers.check(readers.written(name, data.draw(st.binary(max_size=60))))


def breaks(data: bytes) -> bool:
    try:
        intake.check(data)
    except (AssertionError, KeyError, IndexError):
        return True
    return False


@pytest.mark.parametrize(
    "place, defect",
    [
        ("ingest.decode._may_hold_person", lambda _: False),
        ("ingest.decode._written", lambda value, **_: msgspec.json.encode(value)),
        ("ingest.decode.believed", lambda *_: True),
        ("ingest.decode._skim", lambda _: None),
        ("ingest.decode.MAX_ARRAY", 1001),
        ("ingest.intake.dead_letter", lambda *_, **__: (b"", [])),
        ("ingest.intake.Intake._write", lambda *_: None),
        ("ingest.acks.AckQueue.advance", lambda _: None),
        ("ingest.intake.partition_of", lambda *_: PARTITIONS),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_a_planted_defect_is_found_by_what_the_fuzzer_begins_with(monkeypatch, place, defect):
    monkeypatch.setattr(place, defect)
    assert any(map(breaks, [data for _, data in (*seeds.of_intake(), *EXPENSIVE)]))


def spin() -> None:
    end_s = time.thread_time() + CPU_S + 0.01
    while time.thread_time() < end_s:
        pass


def test_what_costs_too_much_is_found():
    with pytest.raises(AssertionError, match=r"of memory, more than"):
        check_cost(0, lambda: bytearray(MEMORY_BYTES + 1), memory=True)
    with pytest.raises(AssertionError, match=r"took .* ms, more than"):
        check_cost(0, spin, memory=False)


def test_a_changed_input_is_the_same_for_the_same_seed():
    mutator = Mutator(seeds.dictionary(), topics=True)
    random = Random(1)
    data = intake.written("qala/v1/a/desk/b/status", b'{"state":"online","ts":1,"boot":2}')
    for _ in range(200):
        seed = random.randrange(2**32)
        assert mutator(data, 300, seed) == mutator(data, 300, seed)
        data = mutator(data, 300, seed)
        assert len(data) <= 300
