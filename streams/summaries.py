"""What an alert says in words: its summary's placeholders, numbers and durations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

PLACEHOLDERS: Final = ("value", "unit", "limit", "site", "device", "since", "rule")
"""Names that a rule's ``summary`` may hold in braces."""

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_DURATION: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h)")
_UNIT_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_PARTS_S: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def parse_duration_ms(text: str) -> int | None:
    """``90s``, ``5m``, ``1h`` or ``500ms`` in ms; None where the text is no duration."""
    match = _DURATION.fullmatch(text)
    return int(match[1]) * _UNIT_MS[match[2]] if match else None


def human_duration(ms: int) -> str:
    """A duration as people write it, its two largest parts: ``3m 20s``, ``2h``, ``1d 4h``."""
    if 0 < ms < _UNIT_MS["s"]:
        return f"{ms}ms"
    left = max(ms, 0) // 1000
    for place, (name, size) in enumerate(_PARTS_S):
        if left >= size:
            text = f"{left // size}{name}"
            next_name, next_size = _PARTS_S[min(place + 1, len(_PARTS_S) - 1)]
            rest = left % size // next_size
            return f"{text} {rest}{next_name}" if rest else text
    return "0s"


def human_number(value: float) -> str:
    """A number without float noise: at most three decimals, three digits where it is tiny."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    if text not in {"0", "-0"}:
        return text
    return f"{value:.3g}" if value else "0"


def render(template: str, values: Mapping[str, str]) -> str:
    """Put the values in the place of their names; an empty one takes a space before it along.

    Plain substitution, once, from left to right: what stands in a value is not read again,
    and a template cannot reach anything but these values.
    """
    for name, value in values.items():
        if not value:
            template = template.replace(f" {{{name}}}", "")
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)


def unknown_placeholders(template: str) -> list[str]:
    """What stands in braces (or is a brace without its partner) and has no meaning."""
    unknown = [f"{{{name}}}" for name in _PLACEHOLDER.findall(template) if name not in PLACEHOLDERS]
    rest = _PLACEHOLDER.sub("", template)
    return unknown + [brace for brace in "{}" if brace in rest]
