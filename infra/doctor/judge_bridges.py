"""Which bridges carry, which are away, and what waits for them at the broker.

A bridge writes a retained claim to ``qala/bridge/{client id}`` when it starts, and takes it back
when it leaves for good. So a claim without ticks is a bridge that is away: the broker goes on
keeping messages for it, its share or, where it was alone before, all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from infra.doctor.ask_mqtt import RETAINED, STORED, BrokerSeen
from infra.doctor.finding import Away, Finding, Findings
from infra.doctor.watch_log import RECENT_MS, LogWatched
from infra.words import count_words, counted
from ingest.settings import CLIENT_PREFIX

MANY_WAITING: Final = 1000


def judge_bridges(broker: BrokerSeen | Away, log: LogWatched | None) -> list[Finding]:
    """Findings of the part ``bridges``."""
    found = Findings("bridges")
    if log is None:
        found.unknown(
            "bridges",
            "which bridges carry is seen in the telemetry topic, and that can't be read",
            "mend what is said of Kafka first",
        )
        return found.made
    heard = _heard(log)
    for bridge in sorted(heard):
        found.ok(f"bridge {bridge}", "it ticks")
    if isinstance(broker, Away):
        found.unknown(
            "absent", "which bridges are away can't be told", "mend what is said of MQTT first"
        )
        return found.made
    absent = absent_bridges(broker, log)
    _absent(found, broker, absent, heard)
    _unclaimed(found, broker.claims, heard)
    _waiting(found, broker, away=bool(absent))
    return found.made


def _absent(found: Findings, broker: BrokerSeen, absent: set[str], heard: set[str]) -> None:
    waiting = waiting_messages(broker.sys)
    queue = (
        "how many messages wait can't be seen"
        if waiting is None
        else f"waiting at the broker for absent sessions: about {counted(waiting, 'message')}"
    )
    shares = (
        f"; while its claim stands, bridge {min(heard)}, which else would be alone, shares: a "
        "restart of the broker loses what comes before it is back"
        if len(heard) == 1
        else ""
    )
    for bridge in sorted(absent):
        start = f"`qala bridge --id {bridge}`"
        found.problem(
            f"bridge {bridge}",
            "it is away, and the broker keeps messages for it, its share or, where it was alone, "
            f"all of them: {queue}{shares}",
            f"start it again: {start}; where it shall not come back, `qala bridge --adopt "
            f"{bridge}` brings what waits into Kafka and ends its session",
        )


def _unclaimed(found: Findings, claims: Iterable[str], heard: set[str]) -> None:
    known = {claim.removeprefix(CLIENT_PREFIX) for claim in claims}
    if not known and not heard:
        found.warning("bridges", "no bridge has ever run here", "start `qala bridge`")
    elif heard - known:
        found.unknown(
            "absent",
            "the broker shows no claim of bridges that tick, so others may be away unseen",
            "allow reading qala/bridge/+ to this user in the broker's access list",
        )


def _waiting(found: Findings, broker: BrokerSeen, *, away: bool) -> None:
    waiting = waiting_messages(broker.sys)
    if away:
        return  # told with the bridge
    if waiting is None and "version" in broker.sys:
        found.ok("queue", "no queue grows: what the broker stores has not changed for a minute")
    elif waiting is None:
        found.unknown(
            "queue",
            "how many messages wait at the broker can't be seen",
            "allow reading $SYS/# to this user; brokers other than Mosquitto have pages of "
            "their own for it",
        )
    elif waiting > MANY_WAITING:
        found.warning(
            "queue",
            f"about {count_words(waiting)} messages wait at the broker, though no bridge is away",
            "see whether the bridges are held back by Kafka (`qala ps`), or a client that is not "
            "Qala's left a session behind",
        )
    elif not waiting:
        found.ok("queue", "no message waits at the broker")
    else:
        found.ok("queue", f"at the broker: about {counted(waiting, 'message')}")


def absent_bridges(broker: BrokerSeen, log: LogWatched) -> set[str]:
    """Ids of bridges that have claimed them, and do not tick."""
    return {claim.removeprefix(CLIENT_PREFIX) for claim in broker.claims} - _heard(log)


def _heard(log: LogWatched) -> set[str]:
    return {b.id for b in log.bridges if log.moving and b.quiet_ms <= RECENT_MS}


def waiting_messages(sys: Mapping[str, str]) -> int | None:
    """Messages that Mosquitto stores and that are not retained ones; None where it tells nothing.

    It has no figure for one session: this is the queue of all, one message counted once.
    """
    stored, retained = sys.get(STORED, ""), sys.get(RETAINED, "")
    if not (stored.isdecimal() and retained.isdecimal()):
        return None
    return max(int(stored) - int(retained), 0)
