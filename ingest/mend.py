"""Judging one JSON object field by field: mend what real devices send, explain what is wrong.

This is the slow path, for what the strict decoder has refused. It takes ``12.0`` for an
integer, null for an absent field, and strips unknown fields; it never takes text for a number.
Explanations are made of the schema's own words, never of the input's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple, TypeVar, get_type_hints

import msgspec
from msgspec import Struct, inspect

from ingest.errors import RejectedError
from schemas.deadletters import Reason

_StructT = TypeVar("_StructT", bound=Struct)

_JSON_TYPES: Final[dict[type, tuple[tuple[type, ...], str]]] = {
    inspect.IntType: ((int,), "an integer"),
    inspect.FloatType: ((int, float), "a number"),
    inspect.BoolType: ((bool,), "true or false"),
    inspect.StrType: ((str,), "a string"),
    inspect.LiteralType: ((str,), "a string"),
}


class _Field(NamedTuple):
    name: str
    required: bool
    annotation: object
    shape: inspect.Type


def mend(value: dict[str, object], struct: type[_StructT]) -> tuple[_StructT, int]:
    """The struct that ``value`` means, and how many unknown fields it had.

    Raises:
        RejectedError: a field is missing, of the wrong JSON type, or outside its range.
    """
    fields = _fields(struct)
    kept = {}
    for field in fields:
        given = value.get(field.name)
        if given is None:
            if field.required:
                raise RejectedError(Reason.MISSING_FIELD, f"the field '{field.name}' is missing")
            continue
        kept[field.name] = _checked(given, field)
    known = {field.name for field in fields}
    tag = struct.__struct_config__.tag_field
    unknown = sum(1 for name in value if name not in known and name != tag)
    return struct(**kept), unknown


@lru_cache(maxsize=32)
def _fields(struct: type[Struct]) -> tuple[_Field, ...]:
    hints = get_type_hints(struct, include_extras=True)
    shapes = inspect.type_info(struct)
    assert isinstance(shapes, inspect.StructType)  # noqa: S101 - for the type checker
    return tuple(
        _Field(field.name, field.required, hints[field.name], _plain(field.type))
        for field in shapes.fields
    )


def _plain(shape: inspect.Type) -> inspect.Type:
    """The type of a field without its ``| None`` and its metadata."""
    if isinstance(shape, inspect.UnionType):
        shape = next(part for part in shape.types if not isinstance(part, inspect.NoneType))
    return shape.type if isinstance(shape, inspect.Metadata) else shape


def _checked(given: object, field: _Field) -> object:
    if type(given) is float and isinstance(field.shape, inspect.IntType) and given.is_integer():
        given = int(given)
    types, called = _JSON_TYPES[type(field.shape)]
    if type(given) not in types:
        raise RejectedError(Reason.WRONG_TYPE, f"the field '{field.name}' must be {called}")
    try:
        return msgspec.convert(given, field.annotation, strict=True)
    except msgspec.ValidationError:
        # without its cause: msgspec's sentence may quote the value
        raise RejectedError(
            Reason.OUT_OF_RANGE, f"the field '{field.name}' must be {_limits(field.shape)}"
        ) from None


def _limits(shape: inspect.Type) -> str:
    if isinstance(shape, inspect.LiteralType):
        return "one of " + ", ".join(str(value) for value in shape.values)
    if isinstance(shape, inspect.StrType):
        if shape.pattern:
            return f"text of the form {shape.pattern}"
        return f"a string of {shape.min_length or 0} to {shape.max_length} characters"
    if isinstance(shape, inspect.IntType | inspect.FloatType):
        return f"from {shape.ge} to {shape.le}"
    return "within its range"
