"""Whether Kafka serves the member of a group that a sink's consumer is."""

from __future__ import annotations

from schemas import group_watch
from schemas.connections import KafkaConnection
from schemas.group_watch import Wait
from schemas.readiness import Readiness
from sinks.commits import Commits


class Membership:
    """Has partitions or waits for them, and commits.

    The consumer's listener says `revoked` and `assigned`, whatever the partitions are: none may
    be all that there are for it.
    """

    def __init__(self, commits: Commits, readiness: Readiness, *, channel: str = "") -> None:
        """``channel`` is the chat channel that the consumer is of."""
        self._commits = commits
        self._readiness = readiness
        self._channel = f" {channel}" if channel else ""
        self._assigned = False
        self._rebalances = 0

    def revoked(self) -> None:
        """Partitions are being assigned."""
        self._assigned = False
        self._rebalances += 1

    def assigned(self) -> None:
        """They are assigned."""
        self._assigned = True

    async def watch(self, kafka: KafkaConnection, group: str, *, session_ms: int) -> None:
        """Return never.

        Raises:
            StuckClientError: the consumer gets no partitions, or its commits no answer, while
                Kafka serves others.
        """
        await group_watch.watch_member(
            kafka,
            group,
            self._readiness,
            lambda: self._awaited,
            part=f"kafka client{self._channel}",
            session_s=session_ms / 1000,
        )

    @property
    def _awaited(self) -> Wait | None:
        if not self._assigned:
            return Wait("the group gave no partitions", ("assigned", self._rebalances))
        return self._commits.awaited
