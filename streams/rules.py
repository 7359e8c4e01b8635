"""Rules as the worker uses them: value rules, absence rules, and which of them a device has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec
from msgspec import Struct

from schemas.records import Severity, Window

Statistic = Literal["count", "sum", "min", "max"]
STATISTICS: Final[tuple[Statistic, ...]] = ("count", "sum", "min", "max")
"""What of a window a rule may judge; the order is that of `schemas.records.FieldStats`."""


class ValueRule(Struct, frozen=True, kw_only=True):
    """A limit on one field of a reading, or on one statistic of a window.

    ``measure`` is as the rule file has it. ``window`` is None for a rule on raw readings, and
    ``statistic`` then too. A rule on a window's number of readings (``air_1m.count``) has an
    empty ``field``. ``limit`` and ``clear`` are in ``unit``.
    """

    id: str
    measure: str
    type: str
    window: Window | None
    field: str
    statistic: Statistic | None
    above: bool
    limit: float
    clear: float
    for_ms: int
    severity: Severity
    summary: str
    site: str = "*"
    device: str = "*"
    runbook: str = ""
    unit: str = ""


class AbsentRule(Struct, frozen=True, kw_only=True):
    """How long a device that has sent a reading of ``type`` may be without another one."""

    id: str
    type: str
    for_ms: int
    severity: Severity
    summary: str
    site: str = "*"
    device: str = "*"
    runbook: str = ""

    @property
    def measure(self) -> str:
        """What is missed: a type of reading."""
        return self.type

    @property
    def unit(self) -> str:
        """Of a silence."""
        return "s"


Rule = ValueRule | AbsentRule


class DeviceRules(Struct, frozen=True):
    """The rules that look at one device, grouped by what they look at."""

    by_type: dict[str, tuple[ValueRule, ...]]
    by_window: dict[tuple[str, Window], tuple[ValueRule, ...]]
    absent: tuple[AbsentRule, ...]


class RuleSet(Struct, frozen=True):
    """Rules ordered by id, with a version that is a function of their content alone."""

    value: tuple[ValueRule, ...]
    absent: tuple[AbsentRule, ...]
    version: str

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> RuleSet:
        """The set of these rules, whatever their order; ids must be unique."""
        ordered = sorted(rules, key=lambda rule: rule.id)
        return cls(
            tuple(rule for rule in ordered if isinstance(rule, ValueRule)),
            tuple(rule for rule in ordered if isinstance(rule, AbsentRule)),
            hashlib.sha256(msgspec.json.encode(ordered)).hexdigest()[:16],
        )

    def matching(self, site: str, device: str) -> DeviceRules:
        """The rules whose selectors (shell patterns) match this device, in the order of ids."""
        by_type: dict[str, tuple[ValueRule, ...]] = {}
        by_window: dict[tuple[str, Window], tuple[ValueRule, ...]] = {}
        for rule in self.value:
            if not _selects(rule, site, device):
                continue
            if rule.window is None:
                by_type[rule.type] = (*by_type.get(rule.type, ()), rule)
            else:
                key = (rule.type, rule.window)
                by_window[key] = (*by_window.get(key, ()), rule)
        absent = tuple(rule for rule in self.absent if _selects(rule, site, device))
        return DeviceRules(by_type, by_window, absent)


def _selects(rule: Rule, site: str, device: str) -> bool:
    return fnmatchcase(site, rule.site) and fnmatchcase(device, rule.device)
