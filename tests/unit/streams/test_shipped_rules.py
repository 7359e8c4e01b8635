from pathlib import Path

import pytest

from schemas.measurements import rollup_fields
from schemas.records import Alert
from streams.alerts import AbsentAlert, ValueAlert
from streams.rulefile import check_rules, default_rules, load_rules
from streams.rules import ValueRule

T0 = 1_700_000_000_000
SITE, DEVICE = "stop-1", "ion-1"
SHIPPED = load_rules(default_rules())
VALUE_RULES = pytest.mark.parametrize("rule", SHIPPED.value, ids=lambda rule: rule.id)
ABSENT_RULES = pytest.mark.parametrize("rule", SHIPPED.absent, ids=lambda rule: rule.id)


def run(alert: ValueAlert, *readings: tuple[float, int]) -> list[Alert]:
    """Judge (value, seconds after T0), each as it comes, without an outage."""
    changes: list[Alert] = []
    for value, second in readings:
        now = T0 + second * 1000
        changes += alert.judge(value, now, now, now) or []
    return changes


def states(changes: list[Alert]) -> list[str]:
    return [change.state for change in changes]


def over(rule: ValueRule) -> float:
    """A value that meets the rule's condition, and that its field can have."""
    kind = next(field.kind for field in rollup_fields(rule.type) if field.name == rule.field)
    step = 1.0 if kind in {"int", "bool"} else 0.1
    return rule.limit + step if rule.above else rule.limit - step


@VALUE_RULES
def test_a_shipped_rule_fires_over_its_limit_and_resolves_at_its_clear(rule):
    alert = ValueAlert(rule, SITE, DEVICE)
    every = 10
    readings = [(over(rule), second) for second in range(0, rule.for_ms // 1000 + every, every)]
    changes = run(alert, *readings)
    assert states(changes) == (["pending", "firing"] if rule.for_ms else ["firing"])
    assert changes[-1].severity == rule.severity
    assert "{" not in changes[-1].summary
    assert SITE in changes[-1].summary
    assert states(run(alert, (rule.clear, 10_000))) == ["resolved"]


@VALUE_RULES
def test_a_shipped_rule_stays_silent_at_its_limit_and_below_its_duration(rule):
    alert = ValueAlert(rule, SITE, DEVICE)
    assert run(alert, *((rule.limit, second) for second in range(0, 1000, 10))) == []
    if rule.for_ms:
        short = (rule.for_ms - 1) // 1000
        changes = run(alert, (over(rule), 1000), (over(rule), 1000 + short), (rule.clear, 1301))
        assert states(changes) == ["pending", "resolved"]
        assert not changes[-1].fired


@ABSENT_RULES
def test_a_shipped_absence_fires_for_a_silent_device(rule):
    alert = AbsentAlert(rule, SITE, DEVICE)
    alert.heard(T0, T0)
    due = T0 + rule.for_ms
    (fired,) = alert.elapse(due, due, 0) or []
    assert (fired.state, fired.severity) == ("firing", rule.severity)
    assert "{" not in fired.summary
    assert SITE in fired.summary


@ABSENT_RULES
def test_a_shipped_absence_stays_silent_for_a_device_that_talks(rule):
    alert = AbsentAlert(rule, SITE, DEVICE)
    for place in range(10):
        now = T0 + place * (rule.for_ms - 1)
        assert alert.elapse(now, now, 0) is None
        assert alert.heard(now, now) is None


def test_shipped_rules_have_no_problem_and_each_has_its_runbook():
    root = Path(__file__).parents[3]
    assert check_rules(default_rules(), root) == []
    rules = load_rules(default_rules())
    every = (*rules.value, *rules.absent)
    assert {rule.runbook for rule in every} == {f"docs/runbooks/{rule.id}.md" for rule in every}
    written = {path.stem for path in (root / "docs" / "runbooks").glob("*.md")}
    # one more is of the alerts that Grafana raises about Qala itself
    assert written == {rule.id for rule in every} | {"qala-itself"}
