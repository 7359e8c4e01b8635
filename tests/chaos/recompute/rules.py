"""Rule files as plain tables; that they are right, `qala rules check` has said."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.recompute.contract import SPAN_MS, Window

_UNITS_MS = (("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000))


class Rule(NamedTuple):
    """One rule; ``absent`` where it waits for a silence, else a limit on a value.

    ``window`` is None for a rule on readings; ``field`` is empty where it judges how many
    readings a window has, and ``statistic`` (0 count, 1 sum, 2 minimum, 3 maximum) is of the
    window's field.
    """

    id: str
    severity: str
    type: str
    site: str
    device: str
    for_ms: int
    absent: bool = False
    window: Window | None = None
    field: str = ""
    statistic: int = 0
    above: bool = True
    limit: float = 0.0
    clear: float = 0.0

    def watches(self, site: str, device: str) -> bool:
        """Whether the rule is about this device."""
        return fnmatchcase(site, self.site) and fnmatchcase(device, self.device)

    def meets(self, value: float) -> bool:
        """Whether a value is beyond the limit."""
        return value > self.limit if self.above else value < self.limit

    def clears(self, value: float) -> bool:
        """Whether a value ends an alert that fires."""
        return value <= self.clear if self.above else value >= self.clear


def read_rules(rules: Path | Sequence[Path]) -> list[Rule]:
    """The rules of these files, and of every ``*.toml`` of these folders."""
    found = []
    for path in [rules] if isinstance(rules, Path) else rules:
        for file in sorted(path.glob("*.toml")) if path.is_dir() else [path]:
            found += _rules_of(file)
    return found


def _rules_of(file: Path) -> Iterator[Rule]:
    for table in tomllib.loads(file.read_text(encoding="utf-8")).get("rule", []):
        measured = {"absent": True, "type": table["absent"]} if "absent" in table else _limit(table)
        yield Rule(
            id=table["id"],
            severity=table["severity"],
            site=table.get("site", "*"),
            device=table.get("device", "*"),
            for_ms=_duration_ms(table.get("for", "0s")),
            **measured,
        )


def _limit(table: dict[str, Any]) -> dict[str, Any]:
    series, _, field = table["measure"].partition(".")
    limit = float(table["above"] if "above" in table else table["below"])
    found = {"above": "above" in table, "limit": limit, "clear": float(table.get("clear", limit))}
    sort, _, window = series.partition("_")
    if window not in SPAN_MS:
        return {"type": series, "field": field, **found}
    name, _, statistic = field.rpartition("_")
    place = ("count", "sum", "min", "max").index(statistic)
    return {"type": sort, "window": window, "field": name, "statistic": place, **found}


def _duration_ms(text: str) -> int:
    for unit, size_ms in _UNITS_MS:
        if text.removesuffix(unit).isdigit():
            return int(text.removesuffix(unit)) * size_ms
    raise ValueError(f"{text!r} is not a duration; write 90s, 5m or 1h")
