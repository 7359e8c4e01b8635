"""``qala verify``: what a ledger says was sent against what is stored."""

from __future__ import annotations

from infra.verify.errors import VerifyError
from infra.verify.report import Report
from infra.verify.run import verify

__all__ = ["Report", "VerifyError", "verify"]
