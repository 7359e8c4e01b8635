"""The ledger of a simulated run: every message that the broker acknowledged, in that order.

NDJSON, compressed where the name ends in ``.gz``. A header line (seed, settings, clock), one
line for each message, and a last line with the totals, which is missing where the run was cut
off. It holds what was published, so only ids of simulated persons may ever stand in it.
"""

from __future__ import annotations

from infra.ledger.errors import LedgerError
from infra.ledger.file import Ledger, LedgerWriter
from infra.ledger.lines import Entry, Footer, Header

__all__ = ["Entry", "Footer", "Header", "Ledger", "LedgerError", "LedgerWriter"]
