"""Whether the user at hand may do what stages do in Kafka.

Where each stage has a user of its own, none may do everything. So rights are judged by stage,
and by the user that the settings here name.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from infra.doctor.ask_kafka import KafkaSeen
from infra.doctor.finding import Findings
from schemas import topics

_PAGE: Final = "docs/securing.md"
NAME_USER: Final = "name a user that may, in QALA_KAFKA_SECURITY, _USER and _PASSWORD"
"""The mend where Kafka does not know who we are."""


class Needs(NamedTuple):
    """Topics that a stage reads, and those that it writes."""

    reads: frozenset[str]
    writes: frozenset[str]


NEEDS: Final[dict[str, Needs]] = {
    "bridge": Needs(frozenset(), frozenset({topics.TELEMETRY, topics.DEAD_LETTERS})),
    "streams": Needs(
        frozenset({topics.TELEMETRY, topics.STATE}),
        frozenset(
            {topics.ROLLUPS, topics.ALERTS, topics.DEVICES, topics.DEAD_LETTERS, topics.STATE}
        ),
    ),
    "sinks": Needs(
        frozenset(topics.ALL_TOPICS) - {topics.STATE, topics.COMMANDS},
        frozenset({topics.DEAD_LETTERS, topics.CHAT}),
    ),
}
"""What each stage does; `infra/deploy/kafka/acls.sh` allows the same."""


def grant(user: str) -> str:
    """The mend of a right that ``user`` should have: what gives each user its own, and no more."""
    return (
        f"take the user '{user}' of {_PAGE}, and let a super user run "
        "`infra/deploy/kafka/acls.sh HOST:PORT admin.properties`, which gives each its rights"
    )


def judge_rights(found: Findings, seen: KafkaSeen) -> None:
    """What the user may do, by stage; topics that aren't there are no matter of rights."""
    who = f"user {seen.user}" if seen.user else "a client without a user"
    there = [topic for topic in seen.topics.values() if not topic.refused]
    reads = {topic.name for topic in there if topic.may_read}
    writes = {topic.name for topic in there if topic.may_write}
    lacking = {stage: _lacks(needs, seen, reads, writes) for stage, needs in NEEDS.items()}
    short = {stage: lacks for stage, lacks in lacking.items() if lacks}
    enough = [stage for stage in NEEDS if stage not in short]
    if not short:
        found.ok("rights", f"{who} may do in Kafka what every stage does")
    elif not writes and reads == seen.topics.keys():
        found.ok("rights", f"{who} may look at every topic, and write none: no stage's user")
    elif enough:
        found.warning(
            "rights",
            f"{who} may do in Kafka what {_and(enough)} does, and not what {_and(list(short))} do",
            f"well where each has a user of its own ({_PAGE}): look with their settings, too; "
            f"else: {_grant(seen)}",
        )
    else:
        found.problem(
            "rights", f"{who} may not do in Kafka what any stage does: {_told(short)}", _grant(seen)
        )


def unseen_topics(found: Findings, seen: KafkaSeen) -> bool:
    """Say which topics Kafka does not show this user; gives whether there are any."""
    refused = [topic.name for topic in seen.topics.values() if topic.refused]
    if refused:
        found.unknown(
            "topics",
            f"Kafka does not show us {', '.join(refused)}",
            f"look with a user that may read all ({_PAGE}: operator)",
        )
    return bool(refused)


def _lacks(needs: Needs, seen: KafkaSeen, reads: set[str], writes: set[str]) -> list[str]:
    lacks = [f"read {name}" for name in sorted(needs.reads - reads) if name in seen.topics]
    return lacks + [
        f"write {name}" for name in sorted(needs.writes - writes) if name in seen.topics
    ]


def _and(stages: list[str]) -> str:
    return " and ".join(stages)


def _told(short: dict[str, list[str]]) -> str:
    return "; ".join(f"{stage} may not {', '.join(lacks)}" for stage, lacks in short.items())


def _grant(seen: KafkaSeen) -> str:
    # never a right for ANONYMOUS: that is whoever reaches the port
    if seen.user is None:
        return f"{NAME_USER} ({_PAGE})"
    return grant("' or '".join(NEEDS))
