"""What an alert's state change says in a chat (pure)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from schemas.records import Alert

POSSIBLE_REPEAT: Final = "possible repeat: this may have been told before, under the same id"
"""The last line of a message of which a repeat can't be excluded."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; ``id`` names the state change, the same for every channel.

    It is the alert's id, the state and the ordinal of the change: an alert that fires again
    within the same millisecond keeps its id, and must be told again all the same.
    """

    id: str
    alert: str
    state: str
    title: str
    body: str

    def possible_repeat(self) -> Message:
        """The same message, saying that the channel may have had it before."""
        return replace(self, body=f"{self.body}\n{POSSIBLE_REPEAT}")


def message_of(alert: Alert) -> Message | None:
    """The message of a state change; None for one that is not told.

    Told are firing, and resolved of what has fired: a pending alert that never fired has
    disturbed nobody, and its end does neither.
    """
    if alert.state == "pending" or (alert.state == "resolved" and not alert.fired):
        return None
    identity = f"{alert.id}:{alert.state}:{alert.ordinal}"
    lines = [
        alert.summary,
        f"site: {alert.site}",
        f"device: {alert.device}" if alert.device else "",
        f"since: {_moment(alert.started)}",
        f"runbook: {alert.runbook}" if alert.runbook else "",
        f"id: {identity}",
    ]
    return Message(
        id=identity,
        alert=alert.id,
        state=alert.state,
        title=f"[{alert.severity}] {alert.state.upper()} {alert.rule}",
        body="\n".join(line for line in lines if line),
    )


def _moment(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{ms} ms"
