"""The limits that boards take from rule files."""

from __future__ import annotations

import pytest

from dashboards.errors import LimitError
from dashboards.limits import read_limits, shipped_rules
from dashboards.model import Step
from streams.rulefile import default_rules, load_rules


def test_limits_are_those_of_the_rules_that_the_worker_loads():
    limits = read_limits(shipped_rules())
    rules = load_rules(default_rules()).value
    assert rules
    for rule in rules:
        limit = limits.of(rule.measure)
        assert limit is not None
        assert (limit.rule, limit.value, limit.above) == (rule.id, rule.limit, rule.above)


def test_number_above_a_limit_has_the_colour_of_its_severity():
    limits = read_limits(shipped_rules())
    assert limits.steps("air.ozone_ugm3") == (Step(None, "good"), Step(100, "critical"))
    assert limits.steps("air.efficiency_pct") == (Step(None, "bad"), Step(99.9, "good"))


def test_measure_without_a_rule_has_no_steps():
    assert read_limits(shipped_rules()).steps("audio.volume_pct") == ()


def test_most_severe_of_several_rules_counts(tmp_path):
    for severity, limit in (("warning", 1), ("critical", 2), ("info", 3)):
        (tmp_path / f"{severity}.toml").write_text(
            f'[[rule]]\nid="{severity}"\nmeasure="a.b"\nabove={limit}\nseverity="{severity}"\n'
        )
    limit = read_limits(tmp_path).of("a.b")
    assert limit is not None
    assert limit.value == 2


def test_single_file_is_read_like_a_folder(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[[rule]]\nid="x"\nmeasure="a.b"\nbelow=5\nseverity="info"\n')
    assert read_limits(file).steps("a.b") == (Step(None, "notice"), Step(5, "good"))


def test_rule_of_absence_sets_no_limit(tmp_path):
    (tmp_path / "a.toml").write_text('[[rule]]\nid="x"\nabsent="air"\nfor="60s"\n')
    assert read_limits(tmp_path).of("air") is None


def test_unreadable_rules_are_named(tmp_path):
    with pytest.raises(LimitError, match="nowhere"):
        read_limits(tmp_path / "nowhere")
    (tmp_path / "bad.toml").write_text("[[rule")
    with pytest.raises(LimitError, match="qala rules check"):
        read_limits(tmp_path)
