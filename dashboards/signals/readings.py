"""What devices measure: raw readings for current values, windows for histories."""

from __future__ import annotations

from functools import cache
from typing import Final, Literal

from dashboards.model import Signal
from dashboards.signals import forms
from dashboards.signals.forms import AT_DEVICE, BY_DEVICE, within
from dashboards.signals.liveness import SINK, STREAMS
from schemas.measurements import fields_of, unit_of

FRESH_S: Final = 180
"""A reading older than this is not current; rules call a device silent after 1 to 2 minutes."""
SAFE_FRESH_S: Final = 60
"""What says that people are safe has to be younger than other values."""
SEEN_S: Final = 7 * 86_400
"""How far back a device's last reading is looked for, to tell its age."""

Statistic = Literal["mean", "min", "max"]

_TITLES: Final = {
    "passage.mask": "With a mask",
    "passage.body_celsius": "Body temperature",
    "passage.confidence": "Recognition confidence",
    "scene.people": "People",
    "scene.vehicles": "Vehicles",
    "scene.motion": "Motion",
    "scene.fps": "Frame rate",
    "scene.bitrate_kbps": "Bit rate",
    "scene.storage_free_pct": "Storage free",
    "temperature.celsius": "Temperature",
    "temperature.humidity_pct": "Humidity",
    "air.efficiency_pct": "Efficiency",
    "air.ions_cm3": "Ions",
    "air.ozone_ugm3": "Ozone",
    "air.pm25_ugm3": "Fine dust",
    "air.co2_ppm": "Carbon dioxide",
    "air.filter_hours": "Filter",
    "air.power_w": "Power",
    "air.people": "People",
    "audio.volume_pct": "Volume",
    "audio.playing": "Playing",
    "audio.queue": "Waiting",
    "audio.noise_db": "Noise",
}
_WORDS: Final = {"mean": "mean", "min": "lowest", "max": "highest"}


def series_of(reading_type: str) -> tuple[str, ...]:
    """The tags that tell a type's series apart on boards."""
    return (*BY_DEVICE, "subject") if reading_type == "temperature" else BY_DEVICE


def _mean_unit(reading_type: str, field: str) -> str:
    """The unit of a field's mean: that of a yes or no is the share of those that said yes."""
    kinds = {known.name: known.kind for known in fields_of(reading_type)}
    return "1" if kinds[field] == "bool" else unit_of(reading_type, field)


@cache
def current(reading_type: str, field: str) -> Signal:
    """The newest value of a field, of each device that has told it in the last minutes."""
    title = _TITLES[f"{reading_type}.{field}"]
    by = series_of(reading_type)
    return Signal(
        name=f"{reading_type}_{field}",
        title=title,
        query=forms.last_value(forms.raw(reading_type), field, AT_DEVICE, within(FRESH_S), by=by),
        unit=unit_of(reading_type, field),
        kind="now",
        measurement=reading_type,
        description=f"{title}: the newest reading, unless it is older than {FRESH_S} s.",
        by=by,
        liveness=SINK,
        bound_s=FRESH_S,
    )


@cache
def history(
    reading_type: str,
    field: str,
    statistic: Statistic = "mean",
    by: tuple[str, ...] | None = None,
) -> Signal:
    """A field over time, of each device: its mean, or its lowest or highest value."""
    title = _TITLES[f"{reading_type}.{field}"]
    series = series_of(reading_type) if by is None else by
    if statistic == "mean":
        query = forms.mean(reading_type, field, AT_DEVICE, by=series)
    else:
        query = forms.history(
            f'{statistic}("{field}_{statistic}")', reading_type, AT_DEVICE, by=series
        )
    return Signal(
        name="_".join([reading_type, field, statistic, "over_time", *(by or ())]),
        title=title if statistic == "mean" else f"{title}, {_WORDS[statistic]}",
        query=query,
        unit=(_mean_unit if statistic == "mean" else unit_of)(reading_type, field),
        kind="history",
        measurement=reading_type,
        description=f"{title}: the {_WORDS[statistic]} in each interval.",
        by=series,
    )


@cache
def lasting(reading_type: str, field: str) -> Signal:
    """The highest value above which a field stayed for a whole window, of each device.

    All rows of a window count: that of a late reading alone would stand for the whole of it.
    """
    title = _TITLES[f"{reading_type}.{field}"]
    by = series_of(reading_type)
    windows = forms.subselect(
        f'min("{field}_min") AS "low"',
        forms.rollup(reading_type),
        "$timeFilter",
        AT_DEVICE,
        group=forms.in_windows(by, "none"),
    )
    return Signal(
        name=f"{reading_type}_{field}_lasting_over_time",
        title=f"{title}, lasting",
        query=forms.select(
            'max("low")', f"({windows})", "$timeFilter", group=forms.in_intervals(by)
        ),
        unit=unit_of(reading_type, field),
        kind="history",
        measurement=reading_type,
        description=f"{title}: the lowest of each window (10 s, 1 minute or 1 hour, by the "
        "range), and of those the highest in each interval. The rule fires when a whole minute "
        "is above the limit.",
        by=by,
    )


@cache
def per_minute(reading_type: str, title: str, by: tuple[str, ...] = BY_DEVICE) -> Signal:
    """How many readings of a type come in each minute."""
    return Signal(
        name="_".join([reading_type, "per_minute", *by]),
        title=title,
        query=forms.rate(reading_type, "count", "1m", AT_DEVICE, by=by),
        unit="1/min",
        kind="history",
        measurement=reading_type,
        description=f"{title} in a minute, each counted once.",
        by=by,
    )


@cache
def counted(reading_type: str, title: str, by: tuple[str, ...], seconds: int) -> Signal:
    """How many readings of a type came lately, by tags."""
    return Signal(
        name="_".join([reading_type, "in", str(seconds), *by]),
        title=title,
        query=forms.select(
            'sum("count")',
            forms.newest_windows(reading_type),
            AT_DEVICE,
            within(seconds),
            group=forms.grouping(by),
        ),
        unit="",
        kind="now",
        measurement=reading_type,
        description=f"{title} in the last {seconds // 60} minutes.",
        by=by,
        liveness=STREAMS,
        bound_s=seconds,
    )


@cache
def lately(
    reading_type: str,
    field: str,
    statistic: Statistic,
    by: tuple[str, ...],
    seconds: int,
) -> Signal:
    """A field's mean, lowest or highest value in the last while, by tags."""
    title = _TITLES[f"{reading_type}.{field}"]
    what = (
        f'sum("{field}_sum") / sum("{forms.count_of(reading_type, field)}")'
        if statistic == "mean"
        else f'{statistic}("{field}_{statistic}")'
    )
    return Signal(
        name="_".join([reading_type, field, statistic, "lately", *by]),
        title=title,
        query=forms.select(
            what,
            forms.newest_windows(reading_type),
            AT_DEVICE,
            within(seconds),
            group=forms.grouping(by),
        ),
        unit=(_mean_unit if statistic == "mean" else unit_of)(reading_type, field),
        kind="now",
        measurement=reading_type,
        description=f"{title}: the {_WORDS[statistic]} of the last {seconds // 60} minutes.",
        by=by,
        liveness=STREAMS,
        bound_s=seconds,
    )


@cache
def last_seen(reading_type: str, field: str, by: tuple[str, ...] | None = None) -> Signal:
    """When each device (by ``()``: any of them) last told a field.

    One that it always tells stands for all its readings.
    """
    series = series_of(reading_type) if by is None else by
    return Signal(
        name="_".join([reading_type, field, "newest" if by == () else "seen", *(by or ())]),
        title="Last reading",
        query=forms.last_value(
            forms.raw(reading_type), field, AT_DEVICE, within(SEEN_S), by=series
        ),
        unit="",
        kind="age",
        measurement=reading_type,
        description="The time of the newest reading, by the device's clock.",
        by=series,
        bound_s=SEEN_S,
    )


safe_without_mask = Signal(
    name="safe_without_mask",
    title="Without a mask",
    query=forms.select(
        'min("efficiency_pct")',
        forms.raw("air"),
        AT_DEVICE,
        within(SAFE_FRESH_S),
        group=forms.grouping(BY_DEVICE),
    ),
    unit=unit_of("air", "efficiency_pct"),
    kind="now",
    measurement="air",
    description=f"The lowest efficiency of the last {SAFE_FRESH_S} s.",
    by=BY_DEVICE,
    liveness=SINK,
    bound_s=SAFE_FRESH_S,
)


def _yes_or_no(name: str, title: str, reading_type: str, field: str, description: str) -> Signal:
    # all rows of a window count: the last of them may be that of a late reading that says no
    windows = forms.subselect(
        f'max("{field}_max") AS "yes"',
        forms.newest_windows(reading_type),
        AT_DEVICE,
        within(FRESH_S),
        group=' GROUP BY time(10s), "site", "device" fill(none)',
    )
    return Signal(
        name=name,
        title=title,
        query=forms.select('last("yes")', f"({windows})", group=forms.grouping(BY_DEVICE)),
        unit="",
        kind="now",
        measurement=reading_type,
        description=description,
        by=BY_DEVICE,
        liveness=STREAMS,
        bound_s=FRESH_S,
    )


tampered = _yes_or_no(
    "tampered",
    "Tampering",
    "scene",
    "tamper",
    "1 where the camera was covered, turned or opened in its newest 10 s.",
)
playing = _yes_or_no(
    "playing", "Playing", "audio", "playing", "1 where the speaker played in its newest 10 s."
)
