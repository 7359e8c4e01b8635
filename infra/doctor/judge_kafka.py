"""What is well and what is not with Kafka: servers, limits, rights, groups."""

from __future__ import annotations

from typing import Final

from infra.doctor.ask_kafka import GroupSeen, KafkaSeen
from infra.doctor.finding import Away, Finding, Findings
from infra.doctor.judge_rights import NAME_USER, grant, judge_rights
from infra.doctor.judge_topics import judge_topics
from infra.doctor.kafka_rights import tells_rights
from infra.words import counted
from sinks.settings import FILE_CHANNEL

FAR_BEHIND: Final = 10_000
"""Records of lag from which a group is said to be behind."""

_JOIN_GROUP: Final = 11
_FETCH: Final = 1
_DESCRIBE_CLUSTER: Final = 60
_STATIC_MEMBERS: Final = 5
_FIRST_FETCH_OF_4: Final = 4
_SESSION_MS: Final = 6000
_LARGEST_REQUEST: Final = 17 * 1024 * 1024
"""One flush of the worker's state is one batch of up to 16 MiB."""


def judge_kafka(seen: KafkaSeen | Away, *, address: str) -> list[Finding]:
    """Findings of the part ``kafka``."""
    found = Findings("kafka")
    if isinstance(seen, Away):
        found.problem("answers", seen.what, seen.mend)
        return found.made
    _servers(found, seen, address)
    _version(found, seen)
    if not tells_rights(seen.apis):
        return found.made  # nothing else can be asked of it
    _broker(found, seen)
    judge_topics(found, seen)
    judge_rights(found, seen)
    for group in seen.groups:
        _group(found, group, seen.user)
    return found.made


def _servers(found: Findings, seen: KafkaSeen, address: str) -> None:
    who = f"user {seen.user}" if seen.user else "clients without a user"
    if seen.deaf:
        found.warning(
            "answers",
            f"some of the bootstrap servers do not answer: {'; '.join(seen.deaf.values())}",
            "start them, or take them out of QALA_KAFKA_BOOTSTRAP",
        )
    else:
        brokers = "one broker" if seen.brokers == 1 else f"{seen.brokers} brokers"
        found.ok("answers", f"{address} ({brokers}) lets in {who}")


def _version(found: Findings, seen: KafkaSeen) -> None:
    def newest(api: int) -> int:
        return seen.apis.get(api, (0, -1))[1]

    if newest(_JOIN_GROUP) < _STATIC_MEMBERS or not tells_rights(seen.apis):
        found.problem(
            "version",
            "older than Kafka 2.3: a worker can't keep its partitions over a restart",
            "install a newer Kafka; Qala is tested with 4.4",
        )
        return
    if seen.apis.get(_FETCH, (0, 0))[0] >= _FIRST_FETCH_OF_4:
        known = "4.0 or later"
    else:
        known = "2.8 or later" if _DESCRIBE_CLUSTER in seen.apis else "2.3 or later"
    found.ok("version", f"Kafka {known}, by the requests that it speaks")


def _broker(found: Findings, seen: KafkaSeen) -> None:
    if seen.broker is None:
        found.unknown(
            "limits",
            "the brokers do not show us their configuration",
            "allow DescribeConfigs on the cluster to this user, or look yourself: "
            "auto.create.topics.enable=false, group.min.session.timeout.ms at most 6000",
        )
        return
    well = True
    if int(seen.broker.get("group.min.session.timeout.ms", "0")) > _SESSION_MS:
        well = False
        found.problem(
            "limits",
            "the shortest session of a group is "
            f"{seen.broker['group.min.session.timeout.ms']} ms, and ours have {_SESSION_MS}",
            f"set group.min.session.timeout.ms={_SESSION_MS} at the brokers",
        )
    if int(seen.broker.get("socket.request.max.bytes", _LARGEST_REQUEST)) < _LARGEST_REQUEST:
        well = False
        found.problem(
            "limits",
            f"takes requests of {seen.broker['socket.request.max.bytes']} bytes at most, and a "
            "worker's state needs 16 MiB",
            "set socket.request.max.bytes=104857600 at the brokers",
        )
    if seen.broker.get("auto.create.topics.enable") == "true":
        well = False
        found.warning(
            "limits",
            "brokers make topics by themselves: a name that is asked for too early gets the "
            "wrong partition count",
            "set auto.create.topics.enable=false at the brokers",
        )
    if well:
        found.ok("limits", "sizes of requests, session times, no topics made by a typo")


def _group(found: Findings, group: GroupSeen, user: str | None) -> None:
    check = f"group {group.name}"
    stage = f"`{_command(group.name)}`"
    waiting = "" if not group.lag else f"; waiting: {counted(group.lag, 'record')}"
    if group.refused and not group.forbidden:
        said = f"Kafka can't tell now ({group.refused})"
        found.unknown(check, said, "look again in some seconds")
    elif group.refused:
        found.unknown(
            check,
            "Kafka does not let us see it",
            f"look with a user that may: {grant('operator') if user else NAME_USER}",
        )
    elif not group.expected and not group.members and group.name.endswith(f".{FILE_CHANNEL}"):
        found.ok(check, f"written no more: the chat sink that runs here has a messenger{waiting}")
    elif not group.expected and not group.members:
        found.unknown(
            check,
            f"no member, and the chat sink that runs here has other channels{waiting}",
            "where QALA_CHAT_URLS names it no longer, Kafka forgets it in 7 days, and "
            "`qala-chat-behind` fires until then (docs/runbooks/qala-itself.md says how to forget "
            f"it at once); else start a {stage} with its URL",
        )
    elif group.state == "Dead" or (not group.members and group.lag is None):
        found.warning(check, "it has never read anything", f"start {stage}")
    elif not group.members:
        found.problem(
            check,
            f"no member: nobody reads{waiting}",
            f"start {stage}; where one runs here, see what is said of it under stages",
        )
    elif group.state != "Stable":
        found.warning(
            check,
            f"{counted(group.members, 'member')}; partitions are being given out ({group.state})",
            "look again in some seconds; where it stays so, a member comes and goes: see its log",
        )
    elif (group.lag or 0) > FAR_BEHIND:
        found.warning(
            check,
            f"{counted(group.lag or 0, 'record')} behind",
            f"see what it waits for with `qala ps`; where it is busy, start a further {stage}",
        )
    else:
        found.ok(
            check,
            f"{counted(group.members, 'member')}, {counted(group.lag or 0, 'record')} not "
            "committed yet",
        )


def _command(group: str) -> str:
    """The command whose group it is: ``qala-sink-chat.MESSENGER`` is `qala sink chat`."""
    return group.partition(".")[0].replace("-", " ")
