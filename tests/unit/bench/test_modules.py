"""That every module of the bench can be loaded: no other test runs the whole of it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "bench"
MODULES = [
    path.relative_to(FOLDER.parents[1]).with_suffix("").as_posix().replace("/", ".")
    for path in sorted(FOLDER.rglob("*.py"))
]


@pytest.mark.parametrize("name", MODULES)
def test_each_module_of_the_bench_can_be_loaded(name):
    assert import_module(name)
