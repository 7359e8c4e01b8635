"""Ranges, types and lists of every reading, status and reply."""

from __future__ import annotations

import json
import math
from typing import Any, get_args

import msgspec
import pytest

from schemas.examples import EXAMPLES
from schemas.readings import KIND_OF_TYPE, READING_STRUCTS, Command, Reading, Reply, Status

INT = "int"
FLOAT = "float"
NAMED = {"boot": (INT, 0, 2**32 - 1), "seq": (INT, 0, 2**53 - 1)}

# The contract's table of readings, copied by hand: a limit that changes in the structs fails.
CONTRACT: dict[str, dict[str, tuple[str, float, float]]] = {
    "passage": {"body_celsius": (FLOAT, 25, 45), "confidence": (FLOAT, 0, 1)},
    "scene": {
        "people": (INT, 0, 100_000),
        "vehicles": (INT, 0, 100_000),
        "motion": (FLOAT, 0, 1),
        "fps": (FLOAT, 0, 1000),
        "bitrate_kbps": (FLOAT, 0, 1e6),
        "storage_free_pct": (FLOAT, 0, 100),
    },
    "temperature": {"celsius": (FLOAT, -90, 150), "humidity_pct": (FLOAT, 0, 100)},
    "air": {
        "efficiency_pct": (FLOAT, 0, 100),
        "ions_cm3": (FLOAT, 0, 1e9),
        "ozone_ugm3": (FLOAT, 0, 5000),
        "pm25_ugm3": (FLOAT, 0, 5000),
        "co2_ppm": (FLOAT, 0, 50_000),
        "filter_hours": (FLOAT, 0, 1e6),
        "power_w": (FLOAT, 0, 10_000),
        "people": (INT, 0, 1000),
    },
    "audio": {"volume_pct": (FLOAT, 0, 100), "queue": (INT, 0, 1000), "noise_db": (FLOAT, 0, 160)},
    "ticket": {},
}
REQUIRED = {
    "passage": {"person", "direction"},
    "scene": {"people", "fps"},
    "temperature": {"celsius"},
    "air": {"efficiency_pct"},
    "audio": {"volume_pct", "playing"},
    "ticket": {"ticket", "service", "event"},
}
LISTS = {
    ("passage", "direction"): {"in", "out"},
    ("temperature", "subject"): {"ambient", "body", "water", "surface"},
    ("ticket", "event"): {"opened", "called", "closed", "abandoned"},
}
TEXTS = {("passage", "person"): 128, ("ticket", "ticket"): 64, ("ticket", "service"): 64}

RANGES = [
    (name, field, *limits)
    for name, fields in CONTRACT.items()
    for field, limits in {**fields, **NAMED}.items()
]
decoder = msgspec.json.Decoder(Reading)


def example(name: str) -> dict[str, Any]:
    return dict(EXAMPLES[f"{name}.json"][0])


def decode(name: str, **changes: Any) -> Reading:
    return decoder.decode(json.dumps({**example(name), **changes}))


def struct_range(name: str, field: str) -> tuple[str, float | None, float | None]:
    """The kind and limits that the struct's own metadata gives a field."""
    (info,) = [info for info in msgspec.structs.fields(READING_STRUCTS[name]) if info.name == field]
    described = msgspec.inspect.type_info(info.type)
    parts = described.types if isinstance(described, msgspec.inspect.UnionType) else (described,)
    for part in parts:
        inner = part.type if isinstance(part, msgspec.inspect.Metadata) else part
        if isinstance(inner, msgspec.inspect.IntType):
            return INT, inner.ge, inner.le
        if isinstance(inner, msgspec.inspect.FloatType):
            return FLOAT, inner.ge, inner.le
    raise AssertionError(field)


@pytest.mark.parametrize("name, field, kind, low, high", RANGES)
def test_a_struct_has_the_kind_and_limits_of_the_contract(name, field, kind, low, high):
    assert struct_range(name, field) == (kind, low, high)


def test_no_number_of_a_struct_is_missing_in_the_contract():
    for name, struct in READING_STRUCTS.items():
        numbers = {
            info.name
            for info in msgspec.structs.fields(struct)
            if {int, float} & {info.type, *(part for part in flat(info.type))}
        }
        assert numbers - {"ts"} == {*CONTRACT[name], *NAMED}


def flat(annotation: Any) -> list[Any]:
    """Every type inside an annotation."""
    parts = get_args(annotation)
    return [*parts, *(inner for part in parts for inner in flat(part))]


@pytest.mark.parametrize("name, field, kind, low, high", RANGES)
def test_both_limits_are_accepted(name, field, kind, low, high):
    for limit in (low, high):
        assert getattr(decode(name, **{field: limit}), field) == limit


@pytest.mark.parametrize("name, field, kind, low, high", RANGES)
def test_the_next_number_beyond_a_limit_is_refused(name, field, kind, low, high):
    below = low - 1 if kind == INT else math.nextafter(low, -math.inf)
    above = high + 1 if kind == INT else math.nextafter(high, math.inf)
    for beyond in (below, above):
        with pytest.raises(msgspec.ValidationError):
            decode(name, **{field: beyond})


@pytest.mark.parametrize("name, field, kind, low, high", RANGES)
def test_a_number_as_text_or_as_a_truth_value_is_refused(name, field, kind, low, high):
    for wrong in (str(low), True, [low]):
        with pytest.raises(msgspec.ValidationError):
            decode(name, **{field: wrong})


@pytest.mark.parametrize("name, field", [(n, f) for n, f, kind, *_ in RANGES if kind == FLOAT])
def test_a_whole_number_in_a_float_field_becomes_a_float(name, field):
    low = CONTRACT[name][field][1]
    value = getattr(decode(name, **{field: int(low) + 1}), field)
    assert isinstance(value, float)


@pytest.mark.parametrize("name", READING_STRUCTS)
def test_only_the_optional_fields_may_be_absent(name):
    needed = {"type", "ts", "boot", "seq", *REQUIRED[name]}
    least = {field: example(name)[field] for field in needed}
    decoder.decode(json.dumps(least))
    for field in needed:
        with pytest.raises(msgspec.ValidationError):
            decoder.decode(json.dumps({key: least[key] for key in needed - {field}}))


@pytest.mark.parametrize("name", READING_STRUCTS)
def test_a_field_that_no_type_has_is_refused_by_the_struct(name):
    with pytest.raises(msgspec.ValidationError):
        decode(name, colour="red")


@pytest.mark.parametrize("name, field", LISTS)
def test_a_listed_field_takes_every_word_of_its_list_and_no_other(name, field):
    for word in LISTS[name, field]:
        assert getattr(decode(name, **{field: word}), field) == word
    known = min(LISTS[name, field])
    for wrong in ("", "sideways", known.upper(), known + "\n", 1):
        with pytest.raises(msgspec.ValidationError):
            decode(name, **{field: wrong})


@pytest.mark.parametrize("name, field", TEXTS)
def test_a_text_has_1_to_its_most_characters(name, field):
    most = TEXTS[name, field]
    decode(name, **{field: "x" * most})
    for wrong in ("", "x" * (most + 1)):
        with pytest.raises(msgspec.ValidationError):
            decode(name, **{field: wrong})


def test_lengths_are_in_characters_and_not_in_bytes():
    decode("passage", person="ж" * 128)
    decode("ticket", ticket="🏙" * 64)
    with pytest.raises(msgspec.ValidationError):
        decode("ticket", ticket="🏙" * 65)


@pytest.mark.parametrize(
    "service", ["id card", "id,card", "id=card", "Id", "id_card", "id-card\n", "é", "a\\"]
)
def test_a_service_that_would_need_escaping_is_refused(service):
    with pytest.raises(msgspec.ValidationError):
        decode("ticket", service=service)


def test_a_temperature_is_ambient_unless_it_says_otherwise():
    silent = example("temperature")
    del silent["subject"]
    assert decoder.decode(json.dumps(silent)).subject == "ambient"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(text):
    body = json.dumps({**example("temperature"), "celsius": 0}).replace(
        '"celsius": 0', f'"celsius": {text}'
    )
    assert text in body
    with pytest.raises(msgspec.DecodeError):
        decoder.decode(body)


def test_each_type_belongs_to_the_kind_of_the_contract():
    assert KIND_OF_TYPE == {
        "passage": "camera",
        "scene": "camera",
        "temperature": "thermometer",
        "air": "ionizer",
        "audio": "speaker",
        "ticket": "desk",
    }
    assert KIND_OF_TYPE.keys() == READING_STRUCTS.keys()


def test_an_unknown_type_is_refused():
    with pytest.raises(msgspec.ValidationError):
        decode("air", type="aroma")


@pytest.mark.parametrize(
    "change",
    [{"state": "asleep"}, {"ts": "now"}, {"boot": -1}, {"boot": 2**32}, {"firmware": "x" * 129}],
)
def test_a_status_outside_its_form_is_refused(change):
    status = EXAMPLES["status.json"][0]
    msgspec.convert(status, Status)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**status, **change}, Status)


@pytest.mark.parametrize("change", [{"command": ""}, {"status": "sent"}, {"reason": "x" * 1025}])
def test_a_reply_outside_its_form_is_refused(change):
    reply = EXAMPLES["reply.json"][0]
    msgspec.convert(reply, Reply)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**reply, **change}, Reply)


def test_statuses_replies_and_commands_may_have_further_fields():
    for struct, name in ((Status, "status"), (Reply, "reply"), (Command, "command")):
        msgspec.convert({**EXAMPLES[f"{name}.json"][0], "later": 1}, struct)
