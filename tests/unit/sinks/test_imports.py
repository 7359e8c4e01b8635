"""A stage does not wait for the client of another one to be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sinks

HEAVY = ("apprise", "influxdb_client", "numpy")


def loaded(code: str) -> set[str]:
    """What of the heavy packages a new Python has imported after ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    return set(HEAVY) & set(done.stdout.split())


def test_settings_and_contracts_need_neither_client():
    assert loaded("import sinks, sinks.settings, sinks.policy_writer") == set()


def test_the_influx_sink_does_not_import_apprise():
    assert "apprise" not in loaded("import sinks; sinks.run_influx_sink")


def test_the_chat_sink_does_not_import_influxdbs_client():
    assert loaded("import sinks; sinks.run_chat_sink") == {"apprise"}


def test_every_public_name_is_there():
    assert all(hasattr(sinks, name) for name in sinks.__all__)
    with pytest.raises(AttributeError, match="'sinks' has no attribute 'nothing'"):
        sinks.nothing  # noqa: B018 - asked for, to be refused
