"""How good the data of devices are."""

from __future__ import annotations

from dashboards.boards import parts
from dashboards.limits import Limits
from dashboards.model import RAW_SPANS, Board, Section, Shown, Stat, Step, Table
from dashboards.signals import quality, states
from dashboards.signals.forms import BY_DEVICE

_COUNTS: tuple[quality.Count, ...] = ("readings", "duplicates", "late", "missing", "unprovable")


def quality_board(_limits: Limits) -> Board:
    """How good the data of devices are."""
    notice = (Step(None, "neutral"), Step(1, "notice"))
    totals = tuple(Shown(signal=quality.total(field), decimals=0) for field in _COUNTS)
    table = Table(
        title="Devices",
        description="What the worker has counted since it knows each device.",
        rows=states.told,
        age_title="Told",
        columns=(
            Shown(signal=states.state, words=parts.STATES),
            Shown(signal=quality.count("readings")),
            *(Shown(signal=quality.count(field), steps=notice) for field in _COUNTS[1:]),
            Shown(signal=quality.count("generation"), steps=notice),
            Shown(signal=quality.wrong_clocks(BY_DEVICE), words=parts.NO_YES),
        ),
        sort=quality.count("missing").name,
        links=(parts.TO_DEVICE,),
        height=12,
    )
    return Board(
        uid="qala-quality",
        title="Data quality",
        spans=RAW_SPANS,
        description="Duplicates, late and missing readings, wrong clocks, by device.",
        variables=(parts.SITE, parts.DEVICE),
        sections=(
            Section(
                title="Now",
                panels=(
                    parts.live_tile(),
                    Stat(
                        title="Readings",
                        description="Sums over the chosen devices.",
                        values=totals,
                        age=states.newest_told(),
                        width=15,
                    ),
                    Stat(
                        title="Wrong clocks",
                        description=quality.wrong_clocks().description,
                        values=(
                            Shown(
                                signal=quality.wrong_clocks(), title="", steps=parts.NONE_IS_GOOD
                            ),
                        ),
                        age=states.newest_told(),
                        width=5,
                    ),
                    table,
                ),
            ),
            Section(
                title="Over time",
                panels=(
                    parts.counts_over_time(quality.rise("duplicates")),
                    parts.counts_over_time(quality.rise("late")),
                    parts.counts_over_time(quality.rise("missing")),
                    parts.counts_over_time(quality.disbelieved),
                    parts.states_over_time(),
                ),
            ),
        ),
    )
