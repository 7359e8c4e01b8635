"""Fixtures that several modules have: a place without settings for a command."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.native import free_port


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without a file, an environment without settings, 100 columns."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("QALA_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("QALA_KAFKA_BOOTSTRAP", f"127.0.0.1:{free_port()}")
