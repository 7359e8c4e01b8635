from __future__ import annotations

import pytest

from infra.doctor.check_settings import check_settings
from infra.doctor.finding import Finding
from infra.settings import Settings

KEY = "0123456789abcdefghijklmnopqrstuvwxyz"
RULE = """
[[rule]]
id = "hot"
measure = "temperature.celsius"
above = 40
severity = "warning"
summary = "{value} at {site}"
runbook = "https://example.org/hot"
"""


@pytest.fixture
def rules(tmp_path):
    file = tmp_path / "rules.toml"
    file.write_text(RULE, encoding="utf-8")
    return file


def found(tmp_path, rules, environ=None, *, channels=None, **more) -> dict[str, Finding]:
    given = {"chat": {"urls": ["json://127.0.0.1"]}, "person": {"key": KEY}} | more
    settings = Settings(data=tmp_path, rules=rules, **given)
    return {
        finding.check: finding
        for finding in check_settings(settings, environ or {}, channels=channels)
        if finding.state != "ok"
    }


def test_settings_that_can_be_used_are_in_order(tmp_path, rules):
    assert found(tmp_path, rules) == {}


def test_a_variable_that_sets_nothing_is_told_with_what_may_be_meant(tmp_path, rules):
    (variable,) = found(tmp_path, rules, {"QALA_MQTT_ULR": "x"}).values()
    assert "QALA_MQTT_ULR" in variable.what
    assert "QALA_MQTT_URL" in str(variable.mend)


def test_without_a_key_the_first_bridge_makes_one(tmp_path, rules):
    assert found(tmp_path, rules, person={})["person key"].state == "warning"
    assert not (tmp_path / "person.key").exists()


def test_a_weak_key_is_a_problem_that_does_not_show_it(tmp_path, rules):
    weak = found(tmp_path, rules, person={"key": "tiny-key"})["person key"]
    assert weak.state == "problem"
    assert "tiny-key" not in f"{weak.what}{weak.mend}"


def test_a_key_file_that_others_can_read_is_a_problem(tmp_path, rules):
    (tmp_path / "person.key").write_text(KEY, encoding="ascii")
    (tmp_path / "person.key").chmod(0o644)
    assert "chmod 600" in str(found(tmp_path, rules, person={})["person key"].mend)


def test_a_rule_that_cannot_be_used_is_a_problem(tmp_path, rules):
    rules.write_text(RULE.replace("above = 40", 'above = "much"'), encoding="utf-8")
    wrong = found(tmp_path, rules)["rules"]
    assert wrong.state == "problem"
    assert "rule 'hot'" in wrong.what
    assert "`qala rules check`" in str(wrong.mend)


def test_a_missing_runbook_is_a_warning(tmp_path, rules):
    rules.write_text(RULE.replace("https://example.org/hot", "not/there.md"), encoding="utf-8")
    assert found(tmp_path, rules)["rules"].state == "warning"


def test_a_list_of_devices_that_is_wrong_is_a_problem(tmp_path, rules):
    listed = tmp_path / "devices.csv"
    listed.write_text("site,kind,id,interval\nstop-1,toaster,t-1,30s\n", encoding="utf-8")
    wrong = found(tmp_path, rules, devices=listed)["devices"]
    assert wrong.state == "problem"
    assert "toaster" in wrong.what


def test_chat_urls_are_tried_and_never_shown(tmp_path, rules):
    wrong = found(tmp_path, rules, chat={"urls": ["nosuch://token-123"]})["chat"]
    assert wrong.state == "problem"
    assert "token-123" not in f"{wrong.what}{wrong.mend}"
    assert found(tmp_path, rules, chat={})["chat"].state == "warning"


def test_the_chat_is_what_the_running_sink_serves_and_not_what_our_variable_names(tmp_path, rules):
    assert "chat" not in found(tmp_path, rules, chat={}, channels={"json-1"})
    assert found(tmp_path, rules, channels={"file"})["chat"].state == "warning"
