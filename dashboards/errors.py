"""What can go wrong with boards."""

from __future__ import annotations


class DashboardError(Exception):
    """A board, a query or a rule's limit can't be made or used."""


class QueryError(DashboardError):
    """A query can't be filled in."""


class LimitError(DashboardError):
    """A rule file can't be read for its limits."""
