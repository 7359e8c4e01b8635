from pathlib import Path

import pytest

from schemas.measurements import unit_of
from streams.errors import MeasureError, RuleError
from streams.measures import parse_measure
from streams.rulefile import check_rules, load_rules
from streams.rules import AbsentRule, RuleSet, ValueRule

OZONE = """
[[rule]]
id = "ozone-high"
measure = "air.ozone_ugm3"
above = 100
clear = 90
for = "20s"
severity = "critical"
site = "stop-*"
summary = "Ozone {value} {unit} at {site}"
"""
SILENT = """
[[rule]]
id = "thermometer-silent"
absent = "temperature"
for = "60s"
severity = "warning"
summary = "{device} at {site} has been silent for {since}"
"""


def write(folder: Path, text: str, name: str = "rules.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def load_text(folder: Path, text: str) -> RuleSet:
    return load_rules(write(folder, text))


def complaints(folder: Path, text: str) -> list[str]:
    with pytest.raises(RuleError) as caught:
        load_text(folder, text)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return [str(problem) for problem in caught.value.problems]


def test_both_forms_of_the_contract_are_read(tmp_path):
    rules = load_text(tmp_path, OZONE + SILENT)
    assert rules.value == (
        ValueRule(
            id="ozone-high",
            measure="air.ozone_ugm3",
            type="air",
            window=None,
            field="ozone_ugm3",
            statistic=None,
            above=True,
            limit=100.0,
            clear=90.0,
            for_ms=20_000,
            severity="critical",
            site="stop-*",
            summary="Ozone {value} {unit} at {site}",
            unit=unit_of("air", "ozone_ugm3"),
        ),
    )
    assert rules.absent == (
        AbsentRule(
            id="thermometer-silent",
            type="temperature",
            for_ms=60_000,
            severity="warning",
            summary="{device} at {site} has been silent for {since}",
        ),
    )


def test_clear_defaults_to_the_limit_and_for_to_nothing(tmp_path):
    text = OZONE.replace("clear = 90\n", "").replace('for = "20s"\n', "")
    (rule,) = load_text(tmp_path, text).value
    assert (rule.clear, rule.for_ms) == (100.0, 0)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("air.ozone_ugm3", ("air", None, "ozone_ugm3", None, "µg/m³")),
        ("scene.tamper", ("scene", None, "tamper", None, "")),
        ("scene.people", ("scene", None, "people", None, "people")),
        ("air_1m.ozone_ugm3_max", ("air", "1m", "ozone_ugm3", "max", "µg/m³")),
        ("air_10s.ozone_ugm3_count", ("air", "10s", "ozone_ugm3", "count", "")),
        ("ticket_1h.count", ("ticket", "1h", "", "count", "")),
    ],
)
def test_a_measure_names_a_reading_or_a_window(text, expected):
    assert tuple(parse_measure(text)) == expected


@pytest.mark.parametrize(
    "text, said",
    [
        ("air", "write air.ozone_ugm3"),
        ("ari.ozone_ugm3", "did you mean 'air'?"),
        ("air.ozon_ugm3", "did you mean 'ozone_ugm3'?"),
        ("air_1m.ozone_ugm3_mx", "did you mean 'ozone_ugm3_max'?"),
        ("air_5m.ozone_ugm3_max", "did you mean 'air_"),
        ("air_1m.efficiency_pct_count", "is not a field of air_1m"),
        ("passage.person", "is a text"),
        ("temperature.subject", "is a text"),
        ("ticket.ticket", "is a text"),
        ("air.seq", "is not a field of air"),
        ("air.ozone_ugm3.x", "is not a field of air"),
    ],
)
def test_a_measure_that_names_no_number_is_refused_with_advice(text, said):
    with pytest.raises(MeasureError, match=r".") as caught:
        parse_measure(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "old, new, key, said",
    [
        ('id = "ozone-high"', 'id = "Ozone High"', "id", "is not an id"),
        ('id = "ozone-high"', "", "id", "is missing"),
        ("above = 100", "abvoe = 100", "abvoe", "did you mean 'above'?"),
        ("above = 100", "", "above", "exactly one of above and below"),
        ("above = 100", "above = 100\nbelow = 10", "above", "exactly one of above and below"),
        ("above = 100", 'above = "100"', "above", "is not a finite number"),
        ("above = 100", "above = true", "above", "is not a finite number"),
        ("above = 100", "above = nan", "above", "is not a finite number"),
        ("above = 100", f"above = 1{'0' * 400}", "above", "is not a finite number"),
        ("clear = 90", "clear = inf", "clear", "is not a finite number"),
        ("clear = 90", "clear = 101", "clear", "write at most 100"),
        ("above = 100", "below = 100", "clear", "write at least 100"),
        ("20s", "20x", "for", "write 90s, 5m, 1h or 500ms"),
        ("20s", "-20s", "for", "write 90s, 5m, 1h or 500ms"),
        ('for = "20s"', "for = 20", "for", "is not a text"),
        ('"critical"', '"critcal"', "severity", "did you mean 'critical'?"),
        ('severity = "critical"\n', "", "severity", "is missing"),
        ('"stop-*"', '"Stop *"', "site", "matches no site"),
        ("{unit}", "{units}", "summary", "'{units}' has no meaning"),
        ("{unit}", "{unit.real}", "summary", "'{unit.real}' has no meaning"),
        ("{unit}", "{unit", "summary", "has no meaning"),
        ('measure = "air.ozone_ugm3"', "", "measure", "is missing"),
        ('measure = "air.ozone_ugm3"', "measure = 3", "measure", "is not a text"),
        ("clear = 90", 'absent = "air"', "measure", "beside 'absent'"),
    ],
)
def test_a_wrong_value_is_named_with_file_rule_and_key(tmp_path, old, new, key, said):
    assert old in OZONE
    text = OZONE.replace(old, new, 1)
    found = complaints(tmp_path, text)
    name = "#1" if not new else "Ozone High" if "High" in new else "ozone-high"
    name = name if key == "id" else "ozone-high"
    head = f"{tmp_path / 'rules.toml'}: rule '{name}': {key}: "
    assert any(line.startswith(head) and said in line for line in found), found


@pytest.mark.parametrize(
    "old, new, key, said",
    [
        ('"temperature"', '"temprature"', "absent", "did you mean 'temperature'?"),
        ('for = "60s"\n', "", "for", "needs a duration above 0"),
        ('"60s"', '"0s"', "for", "needs a duration above 0"),
        ('for = "60s"', 'for = "60s"\nclear = 3', "clear", "has no meaning beside 'absent'"),
    ],
)
def test_a_wrong_absence_is_named_with_rule_and_key(tmp_path, old, new, key, said):
    (line,) = complaints(tmp_path, SILENT.replace(old, new))
    assert f"rule 'thermometer-silent': {key}: " in line
    assert said in line


def test_every_problem_of_every_rule_and_file_is_listed_at_once(tmp_path):
    write(tmp_path, OZONE.replace("100", "nan").replace("20s", "soon"), "a.toml")
    write(tmp_path, SILENT.replace('"warning"', '"loud"'), "b.toml")
    write(tmp_path, "[[rule]\n", "c.toml")
    with pytest.raises(RuleError) as caught:
        load_rules(tmp_path)
    found = [(Path(problem.file).name, problem.key) for problem in caught.value.problems]
    assert found == [
        ("a.toml", "above"),
        ("a.toml", "for"),
        ("b.toml", "severity"),
        ("c.toml", ""),
    ]
    assert "line 1" in caught.value.problems[-1].text


def test_an_id_used_twice_is_named_with_the_other_file(tmp_path):
    write(tmp_path, OZONE, "a.toml")
    write(tmp_path, OZONE, "b.toml")
    with pytest.raises(RuleError) as caught:
        load_rules(tmp_path)
    (problem,) = caught.value.problems
    assert (Path(problem.file).name, problem.rule, problem.key) == ("b.toml", "ozone-high", "id")
    assert "a.toml" in problem.text


@pytest.mark.parametrize(
    "content, said",
    [
        (b'id = "x"\n', "outside a rule"),
        (b"rule = 3\n", "write [[rule]]"),
        (b'[rule]\nid = "x"\n', "write [[rule]]"),
        (b"# \xff\n", "not UTF-8 at byte 2"),
    ],
)
def test_a_file_that_holds_no_rules_is_explained(tmp_path, content, said):
    path = tmp_path / "rules.toml"
    path.write_bytes(content)
    with pytest.raises(RuleError) as caught:
        load_rules(path)
    assert said in str(caught.value)


def test_a_path_without_rules_is_explained(tmp_path):
    with pytest.raises(RuleError, match="cannot be read"):
        load_rules(tmp_path / "none.toml")
    with pytest.raises(RuleError, match="holds no rule file"):
        load_rules(tmp_path)


def test_a_runbook_is_found_from_the_rule_file_and_from_the_root(tmp_path):
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "near.md").touch()
    (tmp_path / "far.md").touch()
    rules = [
        OZONE.replace("ozone-high", name) + f'runbook = "{runbook}"\n'
        for name, runbook in [
            ("a", "near.md"),
            ("b", "far.md"),
            ("c", "https://example.org/ozone"),
            ("d", "nowhere.md"),
        ]
    ]
    write(folder, "".join(rules))
    (problem,) = check_rules(folder, tmp_path)
    assert (problem.level, problem.rule, problem.key) == ("warning", "d", "runbook")
    load_rules(folder)


def test_the_version_is_a_function_of_content_not_of_order_or_place(tmp_path):
    (tmp_path / "other").mkdir()
    one = load_text(tmp_path, OZONE + SILENT)
    other = load_text(tmp_path / "other", SILENT + "# a comment\n" + OZONE)
    assert one == other
    assert load_text(tmp_path, OZONE.replace("100", "101")).version != one.version


def test_selectors_choose_the_devices_that_a_rule_looks_at(tmp_path):
    window = OZONE.replace("ozone-high", "by-window").replace("air.ozone_ugm3", "air_1m.count")
    rules = load_text(tmp_path, OZONE + SILENT.replace("for =", 'device = "t-?"\nfor =') + window)
    at_stop = rules.matching("stop-7", "ion-1")
    assert {key: [r.id for r in found] for key, found in at_stop.by_type.items()} == {
        "air": ["ozone-high"]
    }
    assert {key: [r.id for r in found] for key, found in at_stop.by_window.items()} == {
        ("air", "1m"): ["by-window"]
    }
    assert at_stop.absent == ()
    elsewhere = rules.matching("hall", "t-1")
    assert (elsewhere.by_type, elsewhere.by_window) == ({}, {})
    assert [rule.id for rule in elsewhere.absent] == ["thermometer-silent"]
