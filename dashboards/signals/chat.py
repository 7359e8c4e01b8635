"""The chat sink, as the InfluxDB sink sees it in Kafka: who serves each channel, and its lag."""

from __future__ import annotations

from typing import Final

from dashboards.model import Signal
from dashboards.signals import forms
from dashboards.signals.forms import grouping, subselect, within
from dashboards.signals.liveness import SINK

BEHIND_S: Final = 120
"""A channel is behind where in all of this time nobody served it, or alerts waited for it."""

_SOURCE: Final = forms.raw("pipeline")
_MINE: Final = "\"stage\" = 'sink-chat'"


def _behind() -> str:
    each = subselect(
        'min("lag") AS "lag", max("members") AS "members"',
        _SOURCE,
        _MINE,
        within(BEHIND_S),
        group=grouping(("channel",)),
    )
    behind = subselect('count("lag") AS "channels"', f"({each})", '("members" = 0 OR "lag" > 0)')
    none = subselect('0 * last("channels") AS "channels"', _SOURCE, _MINE, within(BEHIND_S))
    return forms.select('sum("channels")', f"({behind}), ({none})")


behind = Signal(
    name="chat_behind",
    title="Channels behind",
    query=_behind(),
    unit="",
    kind="now",
    measurement="pipeline",
    description="Chat channels that no `qala sink chat` serves, or for which alerts have waited "
    f"for {BEHIND_S // 60} minutes.",
    liveness=SINK,
    bound_s=BEHIND_S,
)
channels = Signal(
    name="chat_channels",
    title="Channels",
    query=forms.last_value(_SOURCE, "channels", _MINE, within(BEHIND_S)),
    unit="",
    kind="now",
    measurement="pipeline",
    description="Chat channels that Kafka knows of; 0 where no alert is told in any chat.",
    liveness=SINK,
    bound_s=BEHIND_S,
)
waiting = Signal(
    name="chat_waiting",
    title="Waiting",
    query=forms.select(
        'sum("lag")',
        "("
        + subselect(
            'last("lag") AS "lag"', _SOURCE, _MINE, within(BEHIND_S), group=grouping(("channel",))
        )
        + ")",
    ),
    unit="records",
    kind="now",
    measurement="pipeline",
    description="State changes of alerts that channels have not taken yet.",
    liveness=SINK,
    bound_s=BEHIND_S,
)


def _told(name: str, field: str) -> Signal:
    return Signal(
        name=name,
        title="Told",
        query=forms.last_value(_SOURCE, field, _MINE, within(forms.RAW_KEEP_S)),
        unit="",
        kind="age",
        measurement="pipeline",
        description="When the InfluxDB sink last told of the chat sink.",
        bound_s=forms.RAW_KEEP_S,
    )


told = _told("chat_told", "channels")
lag_told = _told("chat_lag_told", "lag")
