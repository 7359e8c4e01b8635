"""The published JSON Schemas: in step with the structs, valid, and as strict as the contract."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from schemas import asyncapi, publish
from schemas.deadletters import EXPLAINED
from schemas.envelope import Line, envelope_headers
from schemas.examples import EXAMPLES
from schemas.jsonschemas import FILE_OF_STRUCT
from schemas.measurements import fields_of
from schemas.readings import KIND_OF_TYPE, READING_STRUCTS
from tests.unit.schemas.test_readings import CONTRACT, NAMED

FILES = {path.name: json.loads(path.read_text()) for path in publish.FOLDER.glob("*.json")}
SCHEMAS = {name: body for name, body in FILES.items() if name != asyncapi.FILE}
EXAMPLE_CASES = [(name, example) for name, held in EXAMPLES.items() for example in held]
NUMBERS = [
    (name, field, *limits)
    for name, fields in CONTRACT.items()
    for field, limits in {**fields, **NAMED}.items()
]
ORIGIN = {"site": "stop-1", "kind": "ionizer", "device": "ion-1", "rx": 1}


@cache
def validator(name: str) -> Draft202012Validator:
    registry: Registry[Any] = Registry().with_resources(
        (key, Resource.from_contents(body)) for key, body in SCHEMAS.items()
    )
    return Draft202012Validator(SCHEMAS[name], registry=registry)


def accepts(name: str, value: object) -> bool:
    return validator(name).is_valid(value)


def reading(name: str, **changes: object) -> dict[str, Any]:
    return {**EXAMPLES[f"{name}.json"][0], **changes}


def test_the_committed_files_are_what_the_structs_say():
    assert publish.stale() == [], publish.RENEW


def test_a_stale_folder_says_what_is_wrong_and_is_mended_by_publishing(tmp_path: Path):
    publish.publish(tmp_path)
    assert publish.stale(tmp_path) == []
    (tmp_path / "air.json").unlink()
    (tmp_path / "audio.json").write_text("{}")
    (tmp_path / "aroma.json").write_text("{}")
    assert publish.stale(tmp_path) == [
        "air.json is missing",
        "aroma.json is no longer published",
        "audio.json is not what the structs say",
    ]
    publish.publish(tmp_path)
    assert publish.stale(tmp_path) == []


def test_the_check_prints_how_to_renew(tmp_path: Path, monkeypatch, capsys):
    assert publish.main(["--check"]) == 0
    monkeypatch.setattr(publish, "stale", lambda: ["air.json is missing"])
    assert publish.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "air.json is missing" in said
    assert "python -m schemas.publish" in said


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_a_valid_one_under_its_relative_name(name):
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMAS[name]["$id"] == name
    assert SCHEMAS[name]["title"]
    assert SCHEMAS[name]["description"]


def test_every_schema_of_a_payload_has_an_example():
    assert SCHEMAS.keys() - EXAMPLES.keys() == {"rollups.json"}


@pytest.mark.parametrize("name, example", EXAMPLE_CASES)
def test_an_example_is_valid(name, example):
    validator(name).validate(example)


@pytest.mark.parametrize("struct", FILE_OF_STRUCT, ids=lambda struct: struct.__name__)
def test_an_example_is_one_for_the_struct_as_well(struct):
    for example in EXAMPLES[FILE_OF_STRUCT[struct]]:
        msgspec.convert(example, struct)


@pytest.mark.parametrize("name", READING_STRUCTS)
def test_no_schema_takes_an_empty_object_or_another_type(name):
    for wrong in ({}, [], "x", None, reading(name, type="aroma")):
        assert not accepts(f"{name}.json", wrong)
        assert not accepts("reading.json", wrong)


@pytest.mark.parametrize("name, field, kind, low, high", NUMBERS)
def test_a_schema_accepts_both_limits_and_nothing_beyond(name, field, kind, low, high):
    below = low - 1 if kind == "int" else math.nextafter(low, -math.inf)
    above = high + 1 if kind == "int" else math.nextafter(high, math.inf)
    for file in (f"{name}.json", "reading.json", "telemetry.json"):
        assert accepts(file, reading(name, **{field: low}))
        assert accepts(file, reading(name, **{field: high}))
        assert not accepts(file, reading(name, **{field: below}))
        assert not accepts(file, reading(name, **{field: above}))
        assert not accepts(file, reading(name, **{field: str(low)}))


@pytest.mark.parametrize("name, field", [(n, f) for n, f, kind, *_ in NUMBERS if kind == "int"])
def test_a_whole_number_may_be_written_as_a_float(name, field):
    assert accepts(f"{name}.json", reading(name, **{field: 12.0}))
    assert not accepts(f"{name}.json", reading(name, **{field: 12.5}))


def test_a_field_that_is_unknown_is_no_error():
    assert accepts("telemetry.json", reading("air", colour="red"))
    assert accepts("telemetry.json", [reading("air", colour="red")])


def test_an_array_holds_1_to_1000_readings():
    assert not accepts("telemetry.json", [])
    assert accepts("telemetry.json", [reading("air")] * 1000)
    assert not accepts("telemetry.json", [reading("air")] * 1001)
    assert not accepts("telemetry.json", [reading("air"), {}])


@pytest.mark.parametrize("service", ["", "a" * 65, "Id", "id card", "id-card\n"])
def test_a_service_outside_its_pattern_is_refused(service):
    assert not accepts("ticket.json", reading("ticket", service=service))


def test_no_pattern_is_one_that_only_python_knows():
    def patterns(node: object) -> list[str]:
        if isinstance(node, list):
            return [found for item in node for found in patterns(item)]
        if not isinstance(node, dict):
            return []
        own = [node["pattern"]] if isinstance(node.get("pattern"), str) else []
        return own + [found for item in node.values() for found in patterns(item)]

    found = patterns(SCHEMAS)
    assert found
    assert not [pattern for pattern in found if r"\Z" in pattern or r"\A" in pattern]
    assert not [pattern for pattern in found if "(?" in pattern]


@pytest.mark.parametrize("name", READING_STRUCTS)
def test_every_field_has_its_unit_and_every_type_its_sender(name):
    schema = SCHEMAS[f"{name}.json"]
    assert schema["x-sent-by"] == KIND_OF_TYPE[name]
    assert schema["properties"]["ts"]["x-unit"] == "ms"
    for field in fields_of(name):
        assert schema["properties"][field.name].get("x-unit", "") == field.unit


def test_a_line_holds_exactly_one_thing():
    air, status = reading("air"), EXAMPLES["status.json"][0]
    assert accepts("envelope-line.json", {**ORIGIN, "reading": air})
    assert not accepts("envelope-line.json", ORIGIN)
    assert not accepts("envelope-line.json", {**ORIGIN, "reading": air, "status": status})


@pytest.mark.parametrize(
    "change", [{"site": "Stop"}, {"device": "-"}, {"kind": "toaster"}, {"rx": "1"}, {"at": "1"}]
)
def test_a_line_of_no_possible_origin_is_refused(change):
    line = {**ORIGIN, "reading": reading("air"), **change}
    assert not accepts("envelope-line.json", line)


def test_what_the_structs_write_is_what_the_schemas_say():
    for example in EXAMPLES["envelope-line.json"]:
        validator("envelope-line.json").validate(
            json.loads(msgspec.json.encode(msgspec.convert(example, Line)))
        )


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("speed", [None, 60.0, 0.5, 1e20, 1e-7])
def test_the_headers_of_an_envelope_are_valid(speed, left):
    headers = envelope_headers("b", 3, speed, left=left)
    texts = {name: value.decode() for name, value in headers}
    validator("envelope-headers.json").validate(texts)
    assert accepts("envelope-headers.json", texts | {"left": "0"}) is False


def test_a_dead_letter_has_a_reason_of_the_list():
    headers = EXAMPLES["dead-letter-headers.json"][0]
    for reason in EXPLAINED:
        assert accepts("dead-letter-headers.json", {**headers, "reason": str(reason)})
    assert not accepts("dead-letter-headers.json", {**headers, "reason": "mood"})
    assert not accepts("dead-letter-headers.json", {k: headers[k] for k in headers.keys() - {"rx"}})


def test_statistics_of_a_field_are_four_numbers():
    rollup = EXAMPLES["rollup.json"][0]
    for wrong in ([1, 2.0, 3.0], [1, 2.0, 3.0, 4.0, 5.0], [1.5, 2.0, 3.0, 4.0], ["1", 2, 3, 4]):
        assert not accepts("rollup.json", {**rollup, "fields": {"celsius": wrong}})
    assert accepts("rollups.json", rollup)
    assert accepts("rollups.json", EXAMPLES["throughput.json"][0])
