"""Rule files: reading them, and saying everything that is wrong with them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from streams.errors import Problem, RuleError
from streams.ruleform import RuleForm
from streams.rules import Rule, RuleSet


def default_rules() -> Path:
    """The folder of the rules that come with Qala, in force where ``QALA_RULES`` names none."""
    return Path(str(files("streams").joinpath("default_rules")))


def load_rules(path: Path) -> RuleSet:
    """The rules of a file, or of every ``*.toml`` in a folder.

    Raises:
        RuleError: with every problem of every rule, each naming its file, rule and key.
    """
    rules, problems = _read(path)
    errors = [problem for problem in problems if problem.level == "error"]
    if errors:
        raise RuleError(errors)
    return RuleSet.of(rule for rule, _ in rules)


def check_rules(path: Path, root: Path) -> list[Problem]:
    """Every error and warning of the rules at ``path``; an empty list where all is well.

    A runbook is looked for in the folder of its rule's file and in ``root``, the working
    folder; one that is a URL is not asked for. Those of the rules that come with Qala are beside
    its packages in the sources; a package that was built of them has none.
    """
    rules, problems = _read(path)
    for rule, file in rules:
        folders = [file.parent, root]
        if file.parent == default_rules():
            sources = file.parents[2]
            if not (sources / "docs" / "runbooks").is_dir():
                continue
            folders.append(sources)
        if rule.runbook and not _runbook_is_there(rule.runbook, folders):
            problems.append(
                Problem(
                    level="warning",
                    file=str(file),
                    rule=rule.id,
                    key="runbook",
                    text=f"'{rule.runbook}' is not there; write a URL, or a path from "
                    "the working folder or from the rule's own",
                )
            )
    return problems


def _read(path: Path) -> tuple[list[tuple[Rule, Path]], list[Problem]]:
    rules: list[tuple[Rule, Path]] = []
    problems: list[Problem] = []
    if path.is_dir():
        paths = sorted(path.glob("*.toml"))
        if not paths:
            problems.append(_file_error(path, "holds no rule file; put a *.toml file there"))
    else:
        paths = [path]
    first: dict[str, Path] = {}
    for file in paths:
        for form in _forms(file, problems):
            rule = form.rule()
            if form.name in first:
                where = "this file" if first[form.name] == file else str(first[form.name])
                form.report("id", f"stands in {where} already; give each rule an id of its own")
            elif not form.name.startswith("#"):
                first[form.name] = file
            problems += form.problems
            if rule is not None:
                rules.append((rule, file))
    return rules, problems


def _forms(file: Path, problems: list[Problem]) -> Iterator[RuleForm]:
    try:
        content = tomllib.loads(file.read_bytes().decode())
    except OSError as exc:
        problems.append(_file_error(file, f"cannot be read: {exc.strerror or exc}; check the path"))
        return
    except UnicodeDecodeError as exc:
        problems.append(_file_error(file, f"is not UTF-8 at byte {exc.start}; save it as UTF-8"))
        return
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        problems.append(_file_error(file, f"is not TOML: {exc}; mend that line"))
        return
    tables = content.pop("rule", [])
    problems += [
        _file_error(file, f"'{key}' stands outside a rule; write [[rule]] above the rule's keys")
        for key in content
    ]
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        problems.append(_file_error(file, "'rule' is not a list of tables; write [[rule]]"))
        return
    for place, table in enumerate(tables, start=1):
        yield RuleForm(table, str(file), place)


def _file_error(file: Path, text: str) -> Problem:
    return Problem(level="error", file=str(file), text=text)


def _runbook_is_there(runbook: str, folders: Sequence[Path]) -> bool:
    if runbook.startswith(("http://", "https://")):
        return True
    return any((folder / runbook).is_file() for folder in folders)
