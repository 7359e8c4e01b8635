"""The ``measure`` of a rule: which field of a reading, or which statistic of a window."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final, NamedTuple, get_args

from schemas.measurements import TAG_FIELDS, Field, fields_of, rollup_fields
from schemas.readings import READING_STRUCTS
from schemas.records import Window
from streams.errors import MeasureError
from streams.rules import STATISTICS, Statistic

_WINDOWS: Final[tuple[Window, ...]] = get_args(Window)


class Measure(NamedTuple):
    """What a rule looks at; the fields are those of `streams.rules.ValueRule`."""

    type: str
    window: Window | None
    field: str
    statistic: Statistic | None
    unit: str


def parse_measure(text: str) -> Measure:
    """What ``air.ozone_ugm3``, ``air_1m.ozone_ugm3_max`` or ``air_1m.count`` stands for.

    Raises:
        MeasureError: there is no such type, window or field, or the field holds no number.
    """
    series, dot, field = text.partition(".")
    if not dot or not series or not field:
        raise MeasureError(
            f"{shown(text)} is not reading.field; write air.ozone_ugm3, or a window's: "
            "air_1m.ozone_ugm3_max"
        )
    for window in _WINDOWS:
        if series.endswith(f"_{window}"):
            reading_type = series.removesuffix(f"_{window}")
            _check_type(reading_type, series)
            return _of_window(reading_type, window, field)
    _check_type(series, series)
    return _of_reading(series, field)


def _check_type(reading_type: str, series: str) -> None:
    if reading_type not in READING_STRUCTS:
        windows = [f"{known}_{window}" for known in READING_STRUCTS for window in _WINDOWS]
        raise MeasureError(
            not_one_of(series, "type of reading or window of one", [*READING_STRUCTS, *windows])
        )


def _of_reading(reading_type: str, name: str) -> Measure:
    numeric = {field.name: field for field in rollup_fields(reading_type)}
    if name in numeric:
        return Measure(reading_type, None, name, None, numeric[name].unit)
    texts = {*TAG_FIELDS[reading_type], *(field.name for field in fields_of(reading_type))}
    if name in texts:
        raise MeasureError(
            f"{reading_type}.{name} is a text, and a rule judges numbers; {_write_one_of(numeric)}"
        )
    raise MeasureError(not_one_of(name, f"field of {reading_type}", numeric))


def _of_window(reading_type: str, window: Window, name: str) -> Measure:
    known: dict[str, tuple[Field | None, Statistic]] = {"count": (None, "count")}
    for field in rollup_fields(reading_type):
        for statistic in STATISTICS:
            # Where a field is in every reading, its count is that of the readings
            if statistic != "count" or field.optional:
                known[f"{field.name}_{statistic}"] = (field, statistic)
    if name not in known:
        raise MeasureError(not_one_of(name, f"field of {reading_type}_{window}", known))
    chosen, statistic = known[name]
    unit = chosen.unit if chosen and statistic != "count" else ""
    return Measure(reading_type, window, chosen.name if chosen else "", statistic, unit)


def not_one_of(text: str, what: str, known: Iterable[str]) -> str:
    """The sentence that ``text`` is no ``what``, with the known name that it is closest to."""
    names = list(known)
    close = get_close_matches(text, names, n=1)
    advice = f"did you mean '{close[0]}'?" if close else _write_one_of(names)
    return f"{shown(text)} is not a {what}; {advice}"


def _write_one_of(names: Iterable[str]) -> str:
    listed = list(names)
    return f"write one of {', '.join(listed)}" if listed else "write another measure"


def shown(value: object) -> str:
    """A value in quotes, cut to one line's length."""
    text = str(value)
    return f"'{text[:57]}…'" if len(text) > 58 else f"'{text}'"  # noqa: PLR2004 - one line of text
