"""docs/settings.md: in step with the types, complete, and silent about secrets' values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from infra import settings_doc
from infra.settings import Settings, load_settings
from infra.settings_sources import ENVIRONMENT
from infra.settings_table import setting_rows

PAGE = settings_doc.PAGE.read_text(encoding="utf-8")


def test_the_committed_page_is_what_the_types_say():
    assert not settings_doc.is_stale(), settings_doc.RENEW


def test_a_stale_page_is_said_with_how_to_renew_it(tmp_path: Path, monkeypatch, capsys):
    old = tmp_path / "settings.md"
    assert settings_doc.is_stale(old)
    settings_doc.write(old)
    assert not settings_doc.is_stale(old)
    old.write_text(PAGE.replace("| `250` |", "| `251` |"), encoding="utf-8")
    assert settings_doc.is_stale(old)
    monkeypatch.setattr(settings_doc, "is_stale", lambda: True)
    assert settings_doc.main(["--check"]) == 1
    assert settings_doc.RENEW in capsys.readouterr().err


def test_the_page_lists_every_setting_that_qala_config_shows(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = {row.name for row in setting_rows(load_settings())}
    listed = set()
    for section in PAGE.split("\n## ")[1:]:
        table = re.match(r"`\[([\w.]+)\]`", section)
        keys = re.findall(r"^\| `(\w+)`", section, re.MULTILINE)
        listed |= {f"{table[1]}.{key}" if table else key for key in keys}
    assert listed == shown


def test_the_page_names_every_variable_beside_its_key():
    for variable, path in ENVIRONMENT.items():
        assert f"| `{path.rpartition('.')[2]}`<br>`{variable}` |" in PAGE


def test_each_secret_is_marked_and_nothing_else():
    marked = set(re.findall(r"^\| `\w+`<br>`(\w+)` .*\*\*Secret\.\*\*", PAGE, re.MULTILINE))
    assert marked == {
        "QALA_MQTT_URL",
        "QALA_KAFKA_PASSWORD",
        "QALA_INFLUX_TOKEN",
        "QALA_GRAFANA_TOKEN",
        "QALA_CHAT_URLS",
        "QALA_PERSON_KEY",
    }
    assert PAGE.count("**Secret.**") == len(marked)


def test_a_setting_without_a_description_is_no_page(monkeypatch):
    bare = FieldInfo(annotation=SecretStr, default=None)
    monkeypatch.setitem(Settings.model_fields, "min_free_mb", bare)
    with pytest.raises(ValueError, match="min_free_mb has no description"):
        settings_doc.page()
