"""Faults to plant in a sound board: a check that doesn't find each of them is worth nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.grafana_check.errors import GrafanaCheckError

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that may be wrong in a document.

    ``place`` finds what to spoil in a document, or None; ``spoil`` makes it wrong, in place.
    """

    name: str
    place: Callable[[Json], Json | None]
    spoil: Callable[[Json], object]


def plant(fault: Fault, documents: Sequence[Json]) -> Json:
    """A copy of the first document that has a place for ``fault``, with it.

    Raises:
        GrafanaCheckError: none has.
    """
    for document in documents:
        planted = copy.deepcopy(document)
        place = fault.place(planted)
        if place is not None:
            fault.spoil(place)
            return planted
    raise GrafanaCheckError(f"no published board has a place for the fault '{fault.name}'")


def panels_of(board: Json) -> Iterator[Json]:
    """Every panel, those inside rows included, rows themselves not."""
    for panel in board.get("panels", []):
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def _board(board: Json) -> Json:
    return board


def _panel(board: Json) -> Json | None:
    return next((panel for panel in panels_of(board) if "gridPos" in panel), None)


def _defaults(board: Json) -> Json | None:
    found = (panel.get("fieldConfig", {}).get("defaults") for panel in panels_of(board))
    return next((defaults for defaults in found if defaults), None)


def _stat(board: Json) -> Json | None:
    found = (panel for panel in panels_of(board) if panel["type"] == "stat")
    return next((panel for panel in found if panel.get("options")), None)


def _line(board: Json) -> Json | None:
    found = (panel for panel in panels_of(board) if panel["type"] == "timeseries")
    return next((p for p in found if p.get("fieldConfig", {}).get("defaults")), None)


def _override(board: Json) -> Json | None:
    overrides = (o for p in panels_of(board) for o in p.get("fieldConfig", {}).get("overrides", []))
    found = (prop for override in overrides for prop in override["properties"])
    return next((prop for prop in found if prop["id"] == "unit"), None)


def _expression(board: Json) -> Json | None:
    targets = (target for panel in panels_of(board) for target in panel.get("targets", []))
    return next((target for target in targets if target.get("type") == "math"), None)


FAULTS: Final = (
    Fault("a number where text belongs", _board, lambda board: board.update(title=7)),
    Fault("text where a number belongs", _panel, lambda panel: panel["gridPos"].update(h="8")),
    Fault("a property is missing", _board, lambda board: board.pop("schemaVersion")),
    Fault("an unknown property of a board", _board, lambda board: board.update(colour="red")),
    Fault("an unknown property of a field", _defaults, lambda field: field.update(units="celsius")),
    Fault(
        "an unknown property of a plugin's field",
        _line,
        lambda panel: panel["fieldConfig"]["defaults"].update(custom={"lineWidht": 2}),
    ),
    Fault("an unknown option of a plugin", _stat, lambda p: p["options"].update(colourMode="none")),
    Fault("an override of an unknown property", _override, lambda prop: prop.update(id="units")),
    Fault("an override of a wrong type", _override, lambda prop: prop.update(value=7)),
    Fault("an unknown kind of panel", _panel, lambda panel: panel.update(type="stats")),
    Fault("a wrong value of an enum", _board, lambda board: board.update(graphTooltip=7)),
    Fault("a wrong value of a plugin's enum", _stat, lambda p: p["options"].update(colorMode="x")),
    Fault("an unknown expression", _expression, lambda target: target.update(type="maths")),
)  # fmt: skip
"""For boards: wrong types, unknown properties, wrong values of enums, at each depth."""

RULE_FAULTS: Final = (
    Fault("a rule's unknown state", lambda g: g["rules"][0], lambda r: r.update(noDataState="No")),
    Fault("a rule's unknown property", lambda g: g["rules"][0], lambda r: r.update(fro="5m")),
    Fault("a rule's wrong type", lambda g: g["rules"][0], lambda r: r.update({"for": 300})),
)
"""For alert rules."""
