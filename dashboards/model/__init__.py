"""What a board is made of: signals (each query once), panels that show them, boards of panels.

Nothing here knows Grafana or a drawing library: `dashboards.grafana` turns boards into
Grafana's JSON and `qala dashboards preview` draws the same definitions itself.

**Current values.** A signal of kind ``now`` names what it depends on (``liveness``). Whoever
shows its value as current asks `Liveness.query` too, and shows "unknown" unless the answer is
above `LIVE_ABOVE`: an answer that is missing, an error and a smaller number all mean unknown.
"""

from __future__ import annotations

from dashboards.model.boards import (
    GRID_COLUMNS,
    OPENING_SPAN,
    RAW_SPANS,
    SPANS,
    YEAR_SPANS,
    Board,
    Placed,
    Section,
    Span,
    Variable,
    placed,
)
from dashboards.model.panels import (
    Colour,
    EventColumn,
    Events,
    Link,
    Panel,
    Shown,
    Stat,
    StateTimeline,
    Step,
    Table,
    Text,
    TimeSeries,
    Word,
)
from dashboards.model.signals import (
    LIVE_ABOVE,
    UNKNOWN,
    Liveness,
    Signal,
    SignalKind,
)

__all__ = [
    "GRID_COLUMNS",
    "LIVE_ABOVE",
    "OPENING_SPAN",
    "RAW_SPANS",
    "SPANS",
    "UNKNOWN",
    "YEAR_SPANS",
    "Board",
    "Colour",
    "EventColumn",
    "Events",
    "Link",
    "Liveness",
    "Panel",
    "Placed",
    "Section",
    "Shown",
    "Signal",
    "SignalKind",
    "Span",
    "Stat",
    "StateTimeline",
    "Step",
    "Table",
    "Text",
    "TimeSeries",
    "Variable",
    "Word",
    "placed",
]
