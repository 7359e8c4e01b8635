"""Errors of the ledger."""

from __future__ import annotations

from infra.errors import InfraError


class LedgerError(InfraError):
    """A ledger file cannot be written or read, or is not a ledger."""

    retryable = False
