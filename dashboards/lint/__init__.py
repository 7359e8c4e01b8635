"""What types can't see in Grafana's JSON: rules over the published boards.

The rules look at the JSON alone, as Grafana does, and not at the definitions it was made from.
Each is a function of a board (and of all boards, by uid) that gives its findings.
"""

from __future__ import annotations

from dashboards.lint.findings import Boards, Finding
from dashboards.lint.layout import check_layout
from dashboards.lint.links import check_links
from dashboards.lint.masks import check_masks
from dashboards.lint.promises import check_promises
from dashboards.lint.queries import check_queries
from dashboards.lint.variables import check_variables

__all__ = ["Boards", "Finding", "lint"]

RULES = (check_layout, check_links, check_masks, check_promises, check_queries, check_variables)


def lint(boards: Boards) -> list[Finding]:
    """Every finding of every rule in every board; empty where all is well."""
    return [
        finding for board in boards.values() for rule in RULES for finding in rule(board, boards)
    ]
