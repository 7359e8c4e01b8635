"""What a simulated run came to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a simulated run came to, in messages unless said otherwise.

    ``readings`` are distinct valid ones that were made, ``acknowledged_readings`` those that the
    broker took, duplicates included. ``unheard`` is how often nobody had subscribed to
    one. ``behind_s`` is how far the run was behind its schedule at worst.
    """

    city: str
    readings: int
    messages: int
    acknowledged: int
    acknowledged_readings: int
    duplicates: int
    malformed: int
    statuses: int
    refused: int
    unheard: int
    unacknowledged: int
    broken_connections: int
    seconds: float
    behind_s: float
    simulated: bool = True

    @property
    def ok(self) -> bool:
        """Whether the broker took everything."""
        return not self.refused and not self.unacknowledged

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)
