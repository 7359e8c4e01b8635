"""The limits that rules set, so that a board draws the line where an alert fires.

`dashboards` may not import `streams`, and need not: a rule file's form is part of the
contract, so it is read here as data. The shipped files lie in the package `streams`; an
operator's own (``QALA_RULES``) are given by their path.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from dashboards.errors import LimitError
from dashboards.model import Colour, Step

_COLOURS: dict[str, Colour] = {"info": "notice", "warning": "bad", "critical": "critical"}


@dataclass(frozen=True, slots=True)
class Limit:
    """A rule's limit: it fires above it, or below it."""

    rule: str
    value: float
    above: bool
    severity: str

    def steps(self) -> tuple[Step, ...]:
        """What numbers mean on both sides of the limit."""
        colour = _COLOURS.get(self.severity, "bad")
        if self.above:
            return (Step(None, "good"), Step(self.value, colour))
        return (Step(None, colour), Step(self.value, "good"))


class Limits:
    """Each measure's limit (``air.ozone_ugm3``); of several rules the most severe counts."""

    def __init__(self, limits: Mapping[str, Limit]) -> None:
        """Take limits by measure."""
        self._limits = dict(limits)

    def of(self, measure: str) -> Limit | None:
        """The limit of a measure, or None where no rule has one."""
        return self._limits.get(measure)

    def steps(self, measure: str) -> tuple[Step, ...]:
        """What a measure's numbers mean; nothing where no rule has a limit."""
        limit = self.of(measure)
        return limit.steps() if limit else ()


def shipped_rules() -> Traversable:
    """The folder of the rules that come with Qala."""
    return files("streams").joinpath("default_rules")


def read_limits(rules: Traversable | Path) -> Limits:
    """The limits in a rule file, or in every ``*.toml`` of a folder.

    Raises:
        LimitError: a file can't be read, or isn't TOML. Whether rules are good is for
            ``qala rules check`` to say; one without a limit is passed over here.
    """
    found: dict[str, Limit] = {}
    for table in _rules(rules):
        limit = _limit(table)
        known = found.get(str(table.get("measure")))
        if limit and (known is None or _rank(limit) > _rank(known)):
            found[str(table["measure"])] = limit
    return Limits(found)


def _rules(rules: Traversable | Path) -> Iterable[Mapping[str, Any]]:
    try:
        paths = [rules] if rules.is_file() else sorted(rules.iterdir(), key=lambda path: path.name)
        for path in paths:
            if path.name.endswith(".toml"):
                yield from tomllib.loads(path.read_text(encoding="utf-8")).get("rule", ())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise LimitError(
            f"the rules at {rules} can't be read ({exc}); see `qala rules check`"
        ) from exc


def _limit(table: Mapping[str, Any]) -> Limit | None:
    for key in ("above", "below"):
        value = table.get(key)
        if "measure" in table and isinstance(value, int | float):
            return Limit(
                rule=str(table.get("id", "")),
                value=float(value),
                above=key == "above",
                severity=str(table.get("severity", "warning")),
            )
    return None


def _rank(limit: Limit) -> int:
    return list(_COLOURS).index(limit.severity) if limit.severity in _COLOURS else 1
