"""Errors of provisioning."""

from __future__ import annotations

from infra.errors import InfraError


class ProvisionError(InfraError):
    """Topics, databases or retention can't be made as the contract has them."""


class PartitionCountError(ProvisionError):
    """Topics that hold the same sites have different partition counts."""

    retryable = False


class UnsupportedServerError(ProvisionError):
    """The server is of a version that Qala doesn't work with."""

    retryable = False
