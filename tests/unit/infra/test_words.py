"""Numbers as people read them."""

from __future__ import annotations

import pytest

from infra.words import counted


@pytest.mark.parametrize(
    "number, words",
    [(0, "0 letters"), (1, "1 letter"), (2, "2 letters"), (12_345, "12 345 letters")],
)
def test_one_thing_has_no_plural(number: int, words: str) -> None:
    assert counted(number, "letter") == words
