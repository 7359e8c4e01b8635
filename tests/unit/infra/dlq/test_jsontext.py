"""Where a value stands in JSON text, or where the text stops being JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.dlq.errors import JsonTextError
from infra.dlq.jsontext import JsonText

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=12,
)


def paths_of(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    pairs = value.items() if isinstance(value, dict) else ()
    pairs = enumerate(value) if isinstance(value, list) else pairs
    return [path, *(one for key, inner in pairs for one in paths_of(inner, (*path, key)))]


@given(VALUES, st.none() | st.integers(0, 3), st.booleans(), st.data())
def test_the_text_at_a_values_place_is_that_value(value, indent, ascii_only, data):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    path = data.draw(st.sampled_from(paths_of(value)))
    wanted = value
    for key in path:
        wanted = wanted[key]
    ((begin, end),) = JsonText(f" {text}\n", path).found
    assert json.loads(f" {text}\n"[begin:end]) == wanted


@given(VALUES, st.integers(0), st.text(max_size=2))
def test_text_that_was_damaged_is_refused_where_pythons_parser_refuses_it(value, at, junk):
    text = json.dumps(value, ensure_ascii=False)
    at %= len(text) + 1
    damaged = text[:at] + junk + text[at + 1 :]
    try:
        json.loads(damaged)
    except ValueError:
        with pytest.raises(JsonTextError) as caught:
            JsonText(damaged)
        assert 0 <= caught.value.at <= len(damaged)
