"""JSON Schemas (2020-12) of every payload and value, built from the structs themselves.

What a decoder on the hot path leaves to others (that ids are ids, that a line holds exactly
one thing) is said here as well. Fields that a schema does not know are allowed everywhere: a
device may send them, and a later version may add them.
"""

from __future__ import annotations

import inspect
from typing import Any, Final

import msgspec

from schemas.deadletters import EXPLAINED
from schemas.envelope import Control, Line
from schemas.examples import EXAMPLES
from schemas.measurements import unit_in
from schemas.readings import (
    KIND_OF_TYPE,
    MAX_ARRAY,
    READING_STRUCTS,
    Command,
    Reading,
    Reply,
    Status,
)
from schemas.records import (
    Alert,
    ChatReceipt,
    DeviceRecord,
    Rollup,
    RollupValue,
    Throughput,
    WorkerProgress,
)
from schemas.topics import KINDS

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

FILE_OF_STRUCT: Final[dict[type, str]] = {
    **{struct: f"{name}.json" for name, struct in READING_STRUCTS.items()},
    Status: "status.json",
    Reply: "reply.json",
    Command: "command.json",
    Control: "control.json",
    Line: "envelope-line.json",
    Rollup: "rollup.json",
    Throughput: "throughput.json",
    WorkerProgress: "progress.json",
    Alert: "alert.json",
    DeviceRecord: "device.json",
    ChatReceipt: "chat-receipt.json",
}

ID: Final[Schema] = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"}
KIND: Final[Schema] = {"enum": list(KINDS)}
_TEXT: Final[Schema] = {"type": "string"}
_DIGITS: Final[Schema] = {"type": "string", "pattern": "^[0-9]+$"}
_LINE_HOLDS: Final = ("reading", "status", "reply", "control")


def json_schemas() -> dict[str, Schema]:
    """Every published schema by its file name, which is its ``$id`` as well."""
    bodies = {
        **_struct_schemas(),
        "reading.json": _one_of_structs(Reading, "Reading", "Any reading, known by its `type`."),
        "telemetry.json": _telemetry(),
        "rollups.json": _one_of_structs(
            RollupValue, "Rollups", "A value of qala.rollups.v1, known by its `row`."
        ),
        "envelope-headers.json": _envelope_headers(),
        "dead-letter-headers.json": _dead_letter_headers(),
    }
    return {
        name: {"$schema": DIALECT, "$id": name, **body, **_examples(name)}
        for name, body in sorted(bodies.items())
    }


def _struct_schemas() -> dict[str, Schema]:
    files = {struct.__name__: name for struct, name in FILE_OF_STRUCT.items()}
    _, components = msgspec.json.schema_components(FILE_OF_STRUCT, ref_template="{name}")
    schemas = {}
    for struct, name in FILE_OF_STRUCT.items():
        schema: Schema = _tidy(components[struct.__name__], files)
        schema.pop("additionalProperties", None)
        _describe(schema, struct)
        schemas[name] = schema
    _complete_line(schemas["envelope-line.json"])
    for reading_type, kind in KIND_OF_TYPE.items():
        schemas[f"{reading_type}.json"]["x-sent-by"] = kind
    return schemas


def _tidy(node: Any, files: dict[str, str]) -> Any:  # noqa: ANN401 - any JSON value
    """Rewrite what msgspec generates: file names for names, and plainer forms of the same."""
    if isinstance(node, list):
        return [_tidy(item, files) for item in node]
    if isinstance(node, float) and node.is_integer():
        return int(node)
    if not isinstance(node, dict):
        return node
    node = {key: _tidy(value, files) for key, value in node.items()}
    if "$ref" in node:
        node["$ref"] = files[node["$ref"]]
    if node.get("pattern", "").endswith(r"\Z"):
        node["pattern"] = node["pattern"].removesuffix(r"\Z") + "$"
    node.pop("discriminator", None)  # OpenAPI's; every alternative names its own tag
    if "prefixItems" in node:
        node.pop("items")  # maxItems says it; drafts before 2020 read "items" otherwise
    return _nullable(node)


def _nullable(node: Schema) -> Schema:
    """``anyOf`` of one typed schema and null as that schema with two types."""
    match node.get("anyOf"):
        case [{"type": str(kind)} as value, {"type": "null"}]:
            rest = {key: part for key, part in node.items() if key != "anyOf"}
            return {**value, "type": [kind, "null"], **rest}
    return node


def _describe(schema: Schema, struct: type) -> None:
    schema["description"] = inspect.cleandoc(struct.__doc__ or "").replace("``", "`")
    for field in msgspec.structs.fields(struct):
        unit = unit_in(field.type)
        if unit:
            schema["properties"][field.encode_name]["x-unit"] = unit
        if struct is not Line and schema["properties"][field.encode_name] == {"type": "string"}:
            # origins are ids wherever they stand; free text keeps the plain type
            origin = {"site": ID, "device": ID, "kind": KIND}.get(field.name)
            schema["properties"][field.encode_name] = dict(origin or _TEXT)


def _complete_line(line: Schema) -> None:
    """Say of an envelope's line what its decoder does not check on the hot path."""
    properties = line["properties"]
    properties |= {"site": dict(ID), "kind": dict(KIND), "device": dict(ID)}
    properties["at"] = {"type": "integer", "x-unit": "ms"}
    properties["reading"] = {"$ref": "reading.json"}
    for name in _LINE_HOLDS[1:]:
        properties[name] = {"$ref": f"{name}.json"}
    line["oneOf"] = [{"required": [name]} for name in _LINE_HOLDS]


def _one_of_structs(union: Any, title: str, description: str) -> Schema:  # noqa: ANN401 - a union
    files = [FILE_OF_STRUCT[struct] for struct in union.__args__]
    return {
        "title": title,
        "description": description,
        "anyOf": [{"$ref": name} for name in files],
    }


def _telemetry() -> Schema:
    reading = {"$ref": "reading.json"}
    return {
        "title": "Telemetry",
        "description": "The payload of a device's `telemetry`: one reading or an array of them.",
        "anyOf": [
            reading,
            {"type": "array", "items": reading, "minItems": 1, "maxItems": MAX_ARRAY},
        ],
    }


def _envelope_headers() -> Schema:
    return {
        "title": "EnvelopeHeaders",
        "description": "Kafka headers of an envelope, each as UTF-8 text.",
        "type": "object",
        "properties": {
            "bridge": _TEXT | {"description": "The id of the bridge that wrote it."},
            "n": _DIGITS | {"description": "How many lines it has; 0 is a tick."},
            "speed": _TEXT
            | {
                "description": "Only from a bridge on a simulated clock: its seconds per second.",
                "pattern": "^[0-9]+(\\.[0-9]+)?(e[+-]?[0-9]+)?$",
            },
            "left": {
                "description": "Only on the last tick of a bridge that left for good, or was "
                "adopted: the broker keeps nothing for it any more.",
                "const": "1",
            },
        },
        "required": ["bridge", "n"],
    }


def _dead_letter_headers() -> Schema:
    reasons = [{"const": str(code), "description": meaning} for code, meaning in EXPLAINED.items()]
    return {
        "title": "DeadLetterHeaders",
        "description": "Kafka headers of a dead letter, each as UTF-8 text; its value is the "
        "rejected bytes themselves.",
        "type": "object",
        "properties": {
            "topic": _TEXT | {"description": "Where it came from."},
            "rx": _DIGITS | {"description": "When it was received.", "x-unit": "µs"},
            "reason": {"description": "Why it was rejected.", "oneOf": reasons},
            "detail": _TEXT | {"description": "One sentence; it never quotes the input."},
            "bridge": _TEXT | {"description": "Who rejected it."},
            "index": _DIGITS | {"description": "Its place in the array it came in, from 0."},
            "sealed": _TEXT | {"description": "Present where the value is encrypted."},
            "size": _DIGITS | {"description": "Bytes before it was cut.", "x-unit": "B"},
            "sha256": {"type": "string", "description": "Of the bytes before they were cut."},
            "replay-of": _TEXT
            | {"description": "It was refused again in a replay of the letter partition/offset."},
            "replayed": _TEXT
            | {
                "description": "The record is no letter, but the mark that the letter "
                "partition/offset was replayed; topic, rx and reason are that letter's."
            },
            "accepted": _DIGITS | {"description": "In a mark: readings that went into the log."},
            "refused": _DIGITS | {"description": "In a mark: new letters, with replay-of."},
        },
        "required": ["topic", "rx", "reason", "detail", "bridge"],
    }


def _examples(name: str) -> Schema:
    return {"examples": EXAMPLES[name]} if name in EXAMPLES else {}
