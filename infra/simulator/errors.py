"""Errors of the simulator and its ledger."""

from __future__ import annotations

from infra.errors import InfraError


class SimulatorError(InfraError):
    """The simulator cannot do what it was asked."""

    retryable = False


class LedgerError(InfraError):
    """A ledger file cannot be written, or is not a ledger."""

    retryable = False
