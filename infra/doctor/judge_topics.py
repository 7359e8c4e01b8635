"""What is well and what is not with Kafka's topics."""

from __future__ import annotations

from collections import Counter
from typing import Final

from infra.doctor.ask_kafka import KafkaSeen, TopicSeen
from infra.doctor.finding import Findings
from infra.doctor.judge_rights import unseen_topics
from infra.provision import topic_configs
from infra.words import counted
from schemas.topics import ALL_TOPICS, STATE, TELEMETRY

_GRAVE: Final = frozenset(
    {"cleanup.policy", "message.timestamp.type", "max.message.bytes", "retention.ms"}
)
_PROVISION: Final = "run `qala provision`"


def judge_topics(found: Findings, seen: KafkaSeen) -> None:
    """Whether all are there, with their partitions, copies and configuration."""
    _topics_there(found, seen)
    _partitions(found, seen)
    for topic in seen.topics.values():
        if not topic.refused:
            _copies(found, topic)
    _configs(found, seen)


def _topics_there(found: Findings, seen: KafkaSeen) -> None:
    missing = [topic for topic in ALL_TOPICS if topic not in seen.topics]
    for topic in missing:
        found.problem("topics", f"topic {topic} is missing", _PROVISION)
    if not unseen_topics(found, seen) and not missing:
        found.ok("topics", f"all {len(ALL_TOPICS)} are there")


def _partitions(found: Findings, seen: KafkaSeen) -> None:
    counts = {t.name: t.partitions for t in seen.topics.values() if not t.refused}
    if not counts:
        return
    right = _agreed(counts)
    wrong = {topic: count for topic, count in counts.items() if count != right}
    for topic, count in wrong.items():
        _wrong_count(found, topic, count, right)
    if not wrong:
        found.ok("partitions", f"{right} in each topic")


def _agreed(counts: dict[str, int]) -> int:
    """The count that most topics have; that of telemetry where it stands alone with another."""
    ((most, number), *others) = Counter(counts.values()).most_common()
    tied = any(same == number for _, same in others)
    return counts.get(TELEMETRY, most) if tied else most


def _wrong_count(found: Findings, topic: str, count: int, right: int) -> None:
    what = f"topic {topic} has {count} partitions and the others {right}: "
    if topic == TELEMETRY:
        found.problem(
            "partitions",
            what + "sites are looked for in the wrong place",
            f"stop the bridges, let workers and sinks catch up, stop them, delete {topic} and "
            f"{STATE} (offsets in the worker's state are of the old topic), run `qala provision "
            f"--partitions {right}`, and start all again; a partition count can't be changed",
        )
    else:
        found.problem(
            "partitions",
            what + "what belongs together is looked for in different places",
            f"stop the stages, delete {topic} (what is in it is lost), run `qala provision`, and "
            "start them again",
        )


def _copies(found: Findings, topic: TopicSeen) -> None:
    needed = int((topic.configs or {}).get("min.insync.replicas", "1"))
    if topic.leaderless:
        found.problem(
            "copies",
            f"without a leader: {counted(topic.leaderless, 'partition')} of {topic.name}; nothing "
            "can be written there or read",
            "start the brokers that hold them, and see their logs",
        )
    elif topic.alive_copies < needed:
        found.problem(
            "copies",
            f"{topic.name} has {topic.alive_copies} of {topic.copies} copies in step, and takes "
            f"records with {needed} only",
            "start the brokers that are down"
            if topic.copies >= needed
            else f"set min.insync.replicas of {topic.name} to {topic.copies}, or add brokers",
        )
    elif topic.thin:
        found.warning(
            "copies",
            f"with fewer copies in step than it should have: {counted(topic.thin, 'partition')} of "
            f"{topic.name}",
            "see which broker is down or slow",
        )


def _configs(found: Findings, seen: KafkaSeen) -> None:
    shown = {t.name: t.configs for t in seen.topics.values() if t.configs is not None}
    if not shown:
        if any(not topic.refused for topic in seen.topics.values()):
            found.unknown(
                "retention",
                "Kafka does not show us how its topics are configured",
                "look with a user that may DescribeConfigs (docs/securing.md: operator)",
            )
        return
    simulated = bool(_differences(shown, simulated=False)) and not _differences(
        shown, simulated=True
    )
    differing = {} if simulated else _differences(shown, simulated=False)
    for topic, keys in differing.items():
        said = ", ".join(f"{key} is {has}, not {want}" for key, (has, want) in keys.items())
        tell = found.problem if _GRAVE & keys.keys() else found.warning
        tell("retention", f"{topic}: {said}", _PROVISION)
    if not differing:
        clock = " (for a simulated clock)" if simulated else ""
        found.ok("retention", f"retention, clean-up and sizes as provisioned{clock}")


def _differences(
    shown: dict[str, dict[str, str]], *, simulated: bool
) -> dict[str, dict[str, tuple[str, str]]]:
    """By topic and key: what it has, and what it should have."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for topic, configs in shown.items():
        for key, want in topic_configs(topic, simulated_clock=simulated).items():
            has = configs.get(key, "not set")
            # Kafka lists the policies in an order of its own
            if set(has.split(",")) != set(want.split(",")):
                found.setdefault(topic, {})[key] = (has, want)
    return found
