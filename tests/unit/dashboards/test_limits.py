"""The limits that boards take from rule files."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from dashboards.errors import LimitError
from dashboards.limits import Limits, read_limits, shipped_rules
from dashboards.model import Step
from streams.rulefile import default_rules, load_rules


def rules_at(folder: Path, **tables: str) -> Limits:
    """The limits of one file for each rule, by its id; a table in the words of a rule file."""
    for name, words in tables.items():
        (folder / f"{name}.toml").write_text(f'[[rule]]\nid="{name}"\nmeasure="a.b"\n{words}\n')
    return read_limits(folder)


def colour_at(limits: Limits, number: float) -> str:
    """What a number means: the last step that it reaches."""
    reached = [step for step in limits.steps("a.b") if step.value is None or number >= step.value]
    return reached[-1].colour


def test_limits_are_those_of_the_rules_that_the_worker_loads():
    limits = read_limits(shipped_rules())
    rules = load_rules(default_rules()).value
    assert rules
    for rule in rules:
        found = [(limit.rule, limit.value, limit.above) for limit in limits.of(rule.measure)]
        assert (rule.id, rule.limit, rule.above) in found


def test_number_above_a_limit_has_the_colour_of_its_severity():
    limits = read_limits(shipped_rules())
    above = math.nextafter(100, math.inf)
    assert limits.steps("air.ozone_ugm3") == (Step(None, "good"), Step(above, "critical"))
    assert limits.steps("air.efficiency_pct") == (Step(None, "bad"), Step(99.9, "good"))


@pytest.mark.parametrize("words", ["above=5", "below=5"])
def test_number_that_is_exactly_a_limit_is_good_as_no_rule_fires_there(tmp_path, words):
    assert colour_at(rules_at(tmp_path, x=words), 5) == "good"


def test_measure_without_a_rule_has_no_steps():
    assert read_limits(shipped_rules()).steps("audio.volume_pct") == ()


def test_every_rule_of_a_measure_has_its_step_and_the_most_severe_that_fires_its_colour(tmp_path):
    limits = rules_at(
        tmp_path,
        warning='above=1\nseverity="warning"',
        critical='above=2\nseverity="critical"',
        info='above=3\nseverity="info"',
        low='below=0\nseverity="info"',
    )
    assert [colour_at(limits, number) for number in (-1, 0, 1, 1.5, 2, 2.5, 3.5)] == [
        *("notice", "good", "good", "bad", "bad", "critical", "critical")
    ]
    assert [step.value for step in limits.steps("a.b")] == pytest.approx([None, 0, 1, 2, 3])


def test_a_further_more_severe_rule_takes_no_limit_away(tmp_path):
    limits = rules_at(
        tmp_path, own='below=50\nseverity="critical"', shipped='below=99.9\nseverity="warning"'
    )
    assert [colour_at(limits, number) for number in (49, 60, 99.9)] == ["critical", "bad", "good"]
    assert limits.safe_from("a.b") == (99.9, 99.9)


@pytest.mark.parametrize("selector", ['site="stop-*"', 'device="ion-1"'])
def test_rule_for_some_devices_colours_no_panel_that_shows_others_too(tmp_path, selector):
    limits = rules_at(tmp_path, own=f'above=3\nseverity="critical"\n{selector}')
    assert limits.steps("a.b") == ()
    both = rules_at(tmp_path, general='above=5\nseverity="warning"')
    assert [colour_at(both, number) for number in (4, 6)] == ["good", "bad"]
    everywhere = rules_at(tmp_path, own='above=3\nseverity="critical"\nsite="*"')
    assert colour_at(everywhere, 4) == "critical"


def test_stricter_rule_for_one_stop_lets_nothing_below_it_pass_as_safe(tmp_path):
    limits = rules_at(tmp_path, general="below=90", own='below=95\nsite="stop-7"')
    assert limits.safe_from("a.b") == (90, 95)
    milder = rules_at(tmp_path, own='below=50\nsite="stop-7"')
    assert milder.safe_from("a.b") == (90, 90)


def test_what_rules_compare_is_the_highest_above_a_limit_and_the_lowest_below_one(tmp_path):
    shipped = read_limits(shipped_rules())
    assert shipped.compared("air.ozone_ugm3") == ("max",)
    assert shipped.compared("air.efficiency_pct") == ("min",)
    assert shipped.compared("audio.volume_pct") == ()
    both = rules_at(tmp_path, hot="above=30", cold='below=-5\nsite="stop-7"')
    assert both.compared("a.b") == ("max", "min")


def test_what_only_a_rule_for_one_stop_limits_is_safe_by_no_rule(tmp_path):
    assert rules_at(tmp_path, own='below=95\nsite="stop-7"').safe_from("a.b") is None
    assert rules_at(tmp_path, own="above=95").safe_from("a.b") is None


def test_single_file_is_read_like_a_folder(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[[rule]]\nid="x"\nmeasure="a.b"\nbelow=5\nseverity="info"\n')
    assert read_limits(file).steps("a.b") == (Step(None, "notice"), Step(5, "good"))


def test_rule_of_absence_sets_no_limit(tmp_path):
    (tmp_path / "a.toml").write_text('[[rule]]\nid="x"\nabsent="air"\nfor="60s"\n')
    assert read_limits(tmp_path).of("air") == ()


def test_unreadable_rules_are_named(tmp_path):
    with pytest.raises(LimitError, match="nowhere"):
        read_limits(tmp_path / "nowhere")
    (tmp_path / "bad.toml").write_text("[[rule")
    with pytest.raises(LimitError, match="qala rules check"):
        read_limits(tmp_path)
