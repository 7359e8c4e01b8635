"""Bus stops with an ionizer: the air there, and whether one is safe without a mask."""

from __future__ import annotations

from dashboards.boards import parts
from dashboards.limits import Limits
from dashboards.model import Board, Section, Shown, Stat, Table, TimeSeries, Word
from dashboards.signals import alerts, readings

EFFICIENCY = "air.efficiency_pct"
FINE_DUST = "air_1m.pm25_ugm3_min"
_DEPENDS = "see this stop's own rule"


def ionizers(limits: Limits) -> Board:
    """The board of bus stops with an ionizer."""
    return Board(
        uid="qala-ionizers",
        title="Ionizers",
        description="Bus stops: ionization, ozone, fine dust, carbon dioxide, filters.",
        variables=(parts.SITE, parts.DEVICE),
        sections=(
            Section(
                title="Now",
                panels=(
                    parts.live_tile(),
                    parts.devices_tile("ionizer", width=10),
                    parts.alerts_tile(width=10),
                    _safe(limits),
                    _stops(limits),
                ),
            ),
            Section(title="Over time", panels=_histories(limits)),
        ),
        annotations=alerts.marks,
    )


def _safe(limits: Limits) -> Stat:
    """One tile for each stop. It says safe only while all of the last minute was."""
    safe = limits.safe_from(EFFICIENCY)
    words: list[Word] = []
    if safe is not None:
        words.append(Word(safe.everywhere, "safe without a mask", "good", to=100))
        if safe.everywhere > safe.general:
            words.append(Word(safe.general, _DEPENDS, "notice", to=safe.everywhere))
        words.append(Word(0, "wear a mask", "bad", to=safe.general))
    return Stat(
        title="Without a mask",
        description="Safe while the efficiency of all readings of the last minute is at least "
        "the highest limit of all rules for ionization; unknown without readings.",
        values=(Shown(signal=readings.safe_without_mask, words=tuple(words), decimals=2),),
        age=readings.last_seen("air", "efficiency_pct"),
        width=24,
        height=6,
    )


def _stops(limits: Limits) -> Table:
    def now(field: str, decimals: int = 0, measure: str = "") -> Shown:
        steps = limits.steps(measure or f"air.{field}")
        return Shown(signal=readings.current("air", field), steps=steps, decimals=decimals)

    return Table(
        title="Stops",
        description="The newest value of each, unless it is older than 3 minutes.",
        rows=readings.last_seen("air", "efficiency_pct"),
        age_title="Last reading",
        columns=(
            now("efficiency_pct", 2),
            now("ozone_ugm3"),
            now("pm25_ugm3", measure=FINE_DUST),
            now("co2_ppm"),
            now("ions_cm3"),
            now("people"),
            now("power_w"),
            now("filter_hours"),
        ),
        links=(parts.TO_DEVICE,),
    )


def _histories(limits: Limits) -> tuple[TimeSeries, ...]:
    over_time, history = parts.over_time, readings.history
    return (
        over_time(
            history("air", "efficiency_pct", "min"), limits=limits.steps(EFFICIENCY), decimals=2
        ),
        parts.compared_over_time(limits, "air", "ozone_ugm3", 0, lowest=0),
        over_time(
            readings.lasting("air", "pm25_ugm3")
            if "max" in limits.compared(FINE_DUST)
            else history("air", "pm25_ugm3"),
            limits=limits.steps(FINE_DUST),
            decimals=0,
            lowest=0,
        ),
        parts.compared_over_time(limits, "air", "co2_ppm", 0),
        over_time(history("air", "people"), decimals=1, lowest=0),
        over_time(
            history("air", "filter_hours", "max"),
            limits=limits.steps("air.filter_hours"),
            decimals=0,
            lowest=0,
        ),
    )
