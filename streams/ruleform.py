"""From a table of a rule file to a rule, or to every problem that the table has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Final, get_args

from schemas.readings import READING_STRUCTS
from schemas.records import Severity
from streams.errors import MeasureError, Problem
from streams.measures import Measure, not_one_of, parse_measure, shown
from streams.rules import AbsentRule, Rule, ValueRule
from streams.summaries import PLACEHOLDERS, parse_duration_ms, unknown_placeholders

_BOTH_KEYS: Final = ("id", "for", "severity", "site", "device", "summary", "runbook")
_VALUE_KEYS: Final = ("measure", "above", "below", "clear")
_KEYS: Final = (*_BOTH_KEYS, *_VALUE_KEYS, "absent")
_ID: Final = re.compile(r"[a-z0-9-]{1,64}")
_SELECTOR: Final = re.compile(r"[a-z0-9*?\[\]!-]{1,256}")
_SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)


class RuleForm:
    """One ``[[rule]]`` table; `rule` reads it, ``problems`` holds what is wrong with it."""

    def __init__(self, table: Mapping[str, object], file: str, place: int) -> None:
        """Take the table of the rule that is ``place``-th (from 1) in ``file``."""
        self._table = table
        self._file = file
        given = " ".join(str(table.get("id", "")).split())
        self.name = given[:64] or f"#{place}"
        self.problems: list[Problem] = []

    def rule(self) -> Rule | None:
        """The rule, or None where it has problems."""
        self._check_keys()
        rule = self._absent_rule() if "absent" in self._table else self._value_rule()
        return None if self.problems else rule

    def report(self, key: str, text: str) -> None:
        """Add one problem."""
        self.problems.append(
            Problem(level="error", file=self._file, rule=self.name, key=key, text=text)
        )

    def _value_rule(self) -> ValueRule:
        measure = self._measure()
        above, limit = self._limit()
        clear = self._clear(limit, above=above)
        return ValueRule(
            id=self._id(),
            measure=self._text("measure"),
            type=measure.type,
            window=measure.window,
            field=measure.field,
            statistic=measure.statistic,
            above=above,
            limit=limit,
            clear=clear,
            for_ms=self._for_ms(),
            severity=self._severity(),
            summary=self._summary(),
            site=self._selector("site"),
            device=self._selector("device"),
            runbook=self._text("runbook"),
            unit=measure.unit,
        )

    def _absent_rule(self) -> AbsentRule:
        for key in _VALUE_KEYS:
            if key in self._table:
                self.report(key, "has no meaning beside 'absent'; remove one of the two")
        reading_type = self._text("absent")
        if reading_type and reading_type not in READING_STRUCTS:
            self.report("absent", not_one_of(reading_type, "type of reading", READING_STRUCTS))
        for_ms = self._for_ms()
        if for_ms <= 0 and not any(problem.key == "for" for problem in self.problems):
            self.report("for", 'an absence needs a duration above 0; write for = "60s"')
        return AbsentRule(
            id=self._id(),
            type=reading_type,
            for_ms=for_ms,
            severity=self._severity(),
            summary=self._summary(),
            site=self._selector("site"),
            device=self._selector("device"),
            runbook=self._text("runbook"),
        )

    def _check_keys(self) -> None:
        for key in self._table:
            if key not in _KEYS:
                self.report(key, not_one_of(key, "key of a rule", _KEYS))
        for key in ("id", "severity", "summary"):
            if key not in self._table:
                self.report(key, "is missing; every rule needs id, severity and summary")
        if "measure" not in self._table and "absent" not in self._table:
            self.report("measure", 'is missing; write measure = "air.ozone_ugm3" or absent = "air"')

    def _text(self, key: str, default: str = "") -> str:
        value = self._table.get(key, default)
        if isinstance(value, str) and (value.strip() or key not in self._table):
            return value
        self.report(key, f'{shown(value)} is not a text; write {key} = "…"')
        return default

    def _number(self, key: str) -> float:
        value = self._table[key]
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                number = float("inf")
            if isfinite(number):
                return number
        self.report(key, f"{shown(value)} is not a finite number; write {key} = 100")
        return 0.0

    def _id(self) -> str:
        text = self._text("id")
        if text and not _ID.fullmatch(text):
            self.report("id", f"{shown(text)} is not an id; write 1 to 64 of a-z, 0-9 and '-'")
        return text

    def _measure(self) -> Measure:
        text = self._text("measure")
        if text:
            try:
                return parse_measure(text)
            except MeasureError as exc:
                self.report("measure", str(exc))
        return Measure("", None, "", None, "")

    def _limit(self) -> tuple[bool, float]:
        given = [key for key in ("above", "below") if key in self._table]
        if len(given) != 1:
            state = "stands beside 'below'" if given else "is missing, and 'below' too"
            self.report("above", f"{state}; write exactly one of above and below")
        numbers = [self._number(key) for key in given]
        return given[:1] != ["below"], numbers[0] if numbers else 0.0

    def _clear(self, limit: float, *, above: bool) -> float:
        if "clear" not in self._table:
            return limit
        clear = self._number("clear")
        wrong = clear > limit if above else clear < limit
        if wrong and not any(p.key in {"above", "below", "clear"} for p in self.problems):
            key, side = ("above", "at most") if above else ("below", "at least")
            self.report(
                "clear",
                f"{clear:g} is on the wrong side of {key} = {limit:g}; write {side} {limit:g}",
            )
        return clear

    def _for_ms(self) -> int:
        text = self._text("for", "0s")
        duration = parse_duration_ms(text)
        if duration is None:
            self.report("for", f"{shown(text)} is not a duration; write 90s, 5m, 1h or 500ms")
        return duration or 0

    def _severity(self) -> Severity:
        text = self._text("severity")
        for severity in _SEVERITIES:
            if text == severity:
                return severity
        if text:
            self.report("severity", not_one_of(text, "severity", _SEVERITIES))
        return "warning"

    def _selector(self, key: str) -> str:
        text = self._text(key, "*")
        if not _SELECTOR.fullmatch(text):
            self.report(
                key,
                f"{shown(text)} matches no {key}; write a pattern of a-z, 0-9, '-', *, ? and […]",
            )
        return text

    def _summary(self) -> str:
        text = self._text("summary")
        for unknown in unknown_placeholders(text):
            known = " ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            self.report("summary", f"'{unknown}' has no meaning; of braces write only {known}")
        return " ".join(text.split())
