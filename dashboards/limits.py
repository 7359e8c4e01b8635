"""The limits that rules set, so that a board draws the line where an alert fires.

`dashboards` may not import `streams`, and need not: a rule file's form is part of the
contract, so it is read here as data. The shipped files lie in the package `streams`; an
operator's own (``QALA_RULES``) are given by their path.
"""

from __future__ import annotations

import math
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from dashboards.errors import LimitError
from dashboards.model import Colour, Step

_COLOURS: dict[str, Colour] = {"info": "notice", "warning": "bad", "critical": "critical"}
_MOST_SEVERE = tuple(reversed(_COLOURS.values()))

Extreme = Literal["max", "min"]
"""The highest or the lowest value of a time."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A rule's limit: it fires above it, or below it, and never at it.

    ``everywhere`` is False where the rule is for some sites or devices alone.
    """

    rule: str
    value: float
    above: bool
    severity: str
    everywhere: bool = True

    @property
    def edge(self) -> float:
        """The lowest number on the upper side: a step is of all numbers from there up."""
        return math.nextafter(self.value, math.inf) if self.above else self.value

    def fires_at(self, number: float) -> bool:
        """Whether the rule fires at ``number`` (-inf: at the lowest numbers)."""
        return number >= self.edge if self.above else number < self.edge


class Limits:
    """The limits of each measure (``air.ozone_ugm3``), all of them."""

    def __init__(self, limits: Mapping[str, Iterable[Limit]]) -> None:
        """Take limits by measure."""
        self._limits = {measure: tuple(found) for measure, found in limits.items()}

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that have any limit."""
        return tuple(self._limits)

    def of(self, measure: str) -> tuple[Limit, ...]:
        """All limits of a measure, also those that are not for every device."""
        return self._limits.get(measure, ())

    def steps(self, measure: str) -> tuple[Step, ...]:
        """What a measure's numbers mean, whichever device says them; nothing without a limit.

        A step for each limit that holds everywhere, coloured by the most severe rule that fires
        from there up. A rule for some sites or devices says nothing of the others, with which
        they share a panel: it is left out.
        """
        shared = [limit for limit in self.of(measure) if limit.everywhere]
        edges = [-math.inf, *sorted({limit.edge for limit in shared})] if shared else []
        return tuple(
            Step(
                None if edge == -math.inf else edge,
                _colour(limit for limit in shared if limit.fires_at(edge)),
            )
            for edge in edges
        )

    def compared(self, measure: str) -> tuple[Extreme, ...]:
        """What of any time decides whether a rule fires: its highest value, its lowest, or both.

        Rules for some sites or devices count, too: an alert of theirs has to be understood.
        """
        sides = {limit.above for limit in self.of(measure)}
        extremes: tuple[tuple[Extreme, bool], ...] = (("max", True), ("min", False))
        return tuple(extreme for extreme, above in extremes if above in sides)

    def safe_from(self, measure: str) -> Safe | None:
        """From where up a measure is safe; None where no rule for every device says it."""
        lowest = [limit for limit in self.of(measure) if not limit.above]
        general = [limit.value for limit in lowest if limit.everywhere]
        if not general:
            return None
        return Safe(max(general), max(limit.value for limit in lowest))


class Safe(NamedTuple):
    """Where what has to be high enough is safe.

    Below ``general`` it is not, by the strictest rule for every device; from ``everywhere`` up it
    is by every rule that there is. Between them it depends on the rules of the one device.
    """

    general: float
    everywhere: float


def shipped_rules() -> Traversable:
    """The folder of the rules that come with Qala."""
    return files("streams").joinpath("default_rules")


def read_limits(rules: Traversable | Path) -> Limits:
    """The limits in a rule file, or in every ``*.toml`` of a folder.

    Raises:
        LimitError: a file can't be read, or isn't TOML. Whether rules are good is for
            ``qala rules check`` to say; one without a limit is passed over here.
    """
    found: defaultdict[str, list[Limit]] = defaultdict(list)
    for table in _rules(rules):
        limit = _limit(table)
        if limit:
            found[str(table["measure"])].append(limit)
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
                everywhere=all(table.get(key, "*") == "*" for key in ("site", "device")),
            )
    return None


def _colour(firing: Iterable[Limit]) -> Colour:
    """What a number means at which these rules fire."""
    found = {_COLOURS.get(limit.severity, "bad") for limit in firing}
    return next((colour for colour in _MOST_SEVERE if colour in found), "good")
