"""Units, colours, thresholds and words of values, as Grafana has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import (
    DashboardRangeMapOptions,
    DashboardSpecialValueMapOptions,
    DynamicConfigValue,
    RangeMap,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from dashboards.model import UNKNOWN, Colour, Shown, Step, Word

NO_DATA: Final = "–"
_UNITS: Final = {
    "": units.Short,
    "1": units.PercentUnit,
    "%": units.Percent,
    "°C": units.Celsius,
    "µg/m³": units.MicrogramPerCubicMeter,
    "ppm": "ppm",
    "h": units.Hours,
    "W": units.Watt,
    "dB": units.Decibel,
    "kbit/s": units.KilobitsPerSecond,
    "s": units.Seconds,
    "B/s": units.BytesPerSecondSI,
    "time": units.DateTimeFromNow,
    "frames/s": "suffix: fps",
    "ions/cm³": "suffix: ions/cm³",
    "1/s": "suffix:/s",
    "1/min": "suffix:/min",
    "1/h": "suffix:/h",
}
_COUNTED: Final = (
    *("people", "vehicles", "devices", "alerts", "tickets", "readings", "records"),
    "announcements",
)
_COLOURS: Final[dict[Colour, str]] = {
    "good": "green",
    "notice": "yellow",
    "bad": "orange",
    "critical": "red",
    "neutral": "text",
    "unknown": "#8e8e8e",
}


def unit_id(unit: str) -> str:
    """Grafana's id of a unit. Raises `KeyError` for one that nobody has thought of."""
    return units.LocaleFormat if unit in _COUNTED else _UNITS[unit]


def colour(name: Colour) -> str:
    """Grafana's name of a colour."""
    return _COLOURS[name]


def thresholds(steps: Sequence[Step], base: Colour = "neutral") -> ThresholdsConfig:
    """Steps, the lowest from minus infinity."""
    first = steps or (Step(None, base),)
    return (
        ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(step.value, _COLOURS[step.colour]) for step in first])
    )


def mappings(words: Sequence[Word], *, empty: str) -> list[ValueMapping]:
    """Words for numbers; ``empty`` where there is no number; "unknown" where it is masked.

    Null stands before not-a-number: of several that fit, Grafana takes the first.
    """
    made: list[ValueMapping] = []
    for word in words:
        result = ValueMappingResult(text=word.text, color=_COLOURS[word.colour], index=len(made))
        if word.to is None:
            made.append(ValueMap({f"{word.value:g}": result}))
        else:
            made.append(RangeMap(DashboardRangeMapOptions(word.value, word.to, result)))
    for match, text in ((SpecialValueMatch.NULL, empty), (SpecialValueMatch.NA_N, UNKNOWN)):
        grey = ValueMappingResult(text=text, color=_COLOURS["unknown"], index=len(made))
        made.append(SpecialValueMap(DashboardSpecialValueMapOptions(match, grey)))
    return made


def properties(shown: Shown, *, empty: str) -> list[DynamicConfigValue]:
    """How one field looks: heading, unit, decimals, thresholds, words."""
    made = [
        DynamicConfigValue("displayName", shown.name),
        DynamicConfigValue("unit", unit_id(shown.signal.unit)),
        DynamicConfigValue("mappings", mappings(shown.words, empty=empty)),
        DynamicConfigValue(
            "thresholds", thresholds(shown.steps, shown.colour or "neutral").build()
        ),
        DynamicConfigValue("color", {"mode": "thresholds"}),
    ]
    if shown.decimals is not None:
        made.append(DynamicConfigValue("decimals", shown.decimals))
    return made
