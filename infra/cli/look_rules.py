"""`qala rules list` and `qala rules check`."""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich.text import Text

from infra.cli.output import console, print_json, show, table
from infra.errors import InfraError
from infra.settings import load_settings
from infra.words import age_words, severity_text
from streams import rulefile
from streams.errors import Problem
from streams.rules import Rule, ValueRule


class RulesWrongError(InfraError):
    """Rules that were checked cannot be used."""


def _path(path: Path | None) -> Path:
    return path or load_settings().rules or rulefile.default_rules()


def list_rules(path: Path | None, *, as_json: bool) -> None:
    """Print every rule, the gravest first.

    Raises:
        RuleError: they can't be used.
    """
    found = rulefile.load_rules(_path(path))
    grave = ("critical", "warning", "info")
    rules: list[Rule] = sorted(
        [*found.value, *found.absent], key=lambda rule: (grave.index(rule.severity), rule.id)
    )
    if as_json:
        print_json([_as_dict(rule) for rule in rules])
        return
    made = table(
        "rule", "severity", "for", "where", "fires when", right=("for",), drop=("where", "for")
    )
    for rule in rules:
        made.add_row(
            rule.id,
            severity_text(rule.severity),
            age_words(rule.for_ms / 1000) if rule.for_ms else Text("at once", style="dim"),
            _where(rule),
            _condition(rule),
        )
    show(made, f"no rules in {_path(path)}")


def check_rules(path: Path | None, *, as_json: bool) -> None:
    """Print every error and warning.

    Raises:
        RulesWrongError: there is an error.
    """
    problems = rulefile.check_rules(_path(path), Path.cwd())
    if as_json:
        print_json([msgspec.to_builtins(problem) for problem in problems])
    else:
        for problem in problems:
            console().print(_told(problem))
    errors = sum(problem.level == "error" for problem in problems)
    if errors:
        raise RulesWrongError(
            f"{errors} error{'s' * (errors > 1)} in the rules at {_path(path)}; "
            "mend what is listed and check again"
        )
    if not as_json:
        number = len(problems)
        warned = f", {number} warning{'s' * (number > 1)}" if number else ""
        console().print(f"the rules at {_path(path)} can be used{warned}")


def _told(problem: Problem) -> Text:
    style = "bold red" if problem.level == "error" else "yellow"
    return Text.assemble((f"{problem.level}  ", style), str(problem))


def _as_dict(rule: Rule) -> dict[str, object]:
    kind = "value" if isinstance(rule, ValueRule) else "absent"
    return {"kind": kind, **msgspec.to_builtins(rule)}


def _condition(rule: Rule) -> str:
    if not isinstance(rule, ValueRule):
        return f"no {rule.type}"
    unit = f" {rule.unit}" if rule.unit and rule.unit != "1" else ""
    sign, back = (">", "≤") if rule.above else ("<", "≥")
    clear = "" if rule.clear == rule.limit else f", until {back} {rule.clear:g}"
    return f"{rule.measure} {sign} {rule.limit:g}{unit}{clear}"


def _where(rule: Rule) -> Text:
    if rule.site == rule.device == "*":
        return Text("everywhere", style="dim")
    return Text(f"{rule.site}/{rule.device}")
