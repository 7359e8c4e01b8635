"""What `qala doctor` finds: the state of every server and stage, each finding with its mend."""

from __future__ import annotations

from infra.doctor.finding import PARTS, Finding, FindingState
from infra.doctor.run import examine

__all__ = ["PARTS", "Finding", "FindingState", "examine"]
