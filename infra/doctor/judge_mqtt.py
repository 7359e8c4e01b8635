"""What is well and what is not with an MQTT broker, by what was seen of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from infra.doctor.ask_mqtt import DROPPED, BrokerSeen
from infra.doctor.finding import Away, Finding, Findings
from infra.doctor.mqtt_trial import LARGEST_PAYLOAD, TrialSeen
from infra.words import age_words, count_words

OLDEST_MOSQUITTO: Final = (2, 0)
DEFAULT_WINDOW: Final = 20
"""Mosquitto's ``max_inflight_messages`` where nobody has set it."""
ENOUGH_WINDOW: Final = 1000
SHORT_QUEUE: Final = 100_000
"""Messages; fewer than this a city of a thousand devices sends in some minutes."""
_RESTART: Final = "in mosquitto.conf, and restart the broker"


def judge_mqtt(
    seen: BrokerSeen | Away, conf: Mapping[str, str] | None, *, address: str, session_expiry_s: int
) -> list[Finding]:
    """Findings of the part ``mqtt``.

    ``conf`` is the broker's configuration where it is ours to read, see `ask_machine`.
    """
    found = Findings("mqtt")
    if isinstance(seen, Away):
        found.problem("answers", seen.what, seen.mend)
        return found.made
    who = f"user {seen.user}" if seen.user else "clients without a user"
    found.ok("answers", f"{address} lets in {who}")
    _version(found, seen)
    _abilities(found, seen)
    _sessions(found, seen, session_expiry_s)
    if seen.trial.denied:
        found.unknown(
            "queue limit",
            "what is kept for an absent bridge can't be tried: the broker does not let us use "
            f"{seen.trial.denied}",
            "allow reading and writing qala/doctor/# to this user in the broker's access list",
        )
    else:
        if seen.trial.kept:
            _window(found, seen.trial)
        _queue(found, seen.trial, conf)
        _payload(found, seen.trial)
    _dropped(found, seen)
    _persistence(found, conf)
    return found.made


def _version(found: Findings, seen: BrokerSeen) -> None:
    said = seen.sys.get("version")
    if said is None:
        found.unknown(
            "version",
            "the broker shows nothing under $SYS",
            "allow reading $SYS/# to this user; Mosquitto 2.0 or later is what Qala is tested with",
        )
        return
    number = re.match(r"mosquitto version (\d+)\.(\d+)", said)
    if number is None:
        found.unknown("version", said, "any MQTT 5 broker may do; Qala is tested with Mosquitto 2")
    elif (int(number[1]), int(number[2])) < OLDEST_MOSQUITTO:
        found.problem("version", said, "install Mosquitto 2.0 or later")
    else:
        found.ok("version", said)


def _abilities(found: Findings, seen: BrokerSeen) -> None:
    missing = [
        name
        for name, there in (
            ("QoS 1", seen.max_qos >= 1),
            ("retained messages", seen.retain),
            ("shared subscriptions", seen.shared),
            ("wildcards", seen.wildcard),
        )
        if not there
    ]
    if missing:
        found.problem(
            "abilities",
            f"the broker says that it has no {' and no '.join(missing)}",
            "switch it on in the broker's configuration, or take Mosquitto 2.0 or later",
        )
    else:
        found.ok("abilities", "QoS 1, retained messages, shared subscriptions, wildcards")


def _sessions(found: Findings, seen: BrokerSeen, wanted_s: int) -> None:
    if seen.session_expiry_s is not None and seen.session_expiry_s < wanted_s:
        found.problem(
            "sessions",
            "the broker keeps the session of an absent bridge for "
            f"{age_words(seen.session_expiry_s)} only, not {age_words(wanted_s)}",
            "raise its longest session expiry, or set session_expiry_s in [bridge] of qala.toml",
        )
    else:
        found.ok("sessions", f"kept for {age_words(wanted_s)} while a bridge is away")


def _window(found: Findings, seen: TrialSeen) -> None:
    window = count_words(seen.window)
    mend = f"set max_inflight_messages 65535 {_RESTART}"
    if seen.window <= DEFAULT_WINDOW < seen.kept:
        found.problem(
            "in flight",
            f"a bridge gets {window} messages and then waits for Kafka (Mosquitto's default)",
            mend,
        )
    elif seen.window < min(ENOUGH_WINDOW, seen.kept):
        found.warning("in flight", f"a bridge gets {window} messages, then waits for Kafka", mend)
    else:
        found.ok("in flight", f"a bridge gets {window} messages or more before it acknowledges")


def _queue(found: Findings, seen: TrialSeen, conf: Mapping[str, str] | None) -> None:
    if not seen.kept:
        found.problem(
            "queue limit",
            f"took {count_words(seen.sent)} messages for a client that was away, and kept none: "
            "what comes while a bridge is away is lost",
            "let the broker keep sessions and queue messages for clients that are away "
            f"(Mosquitto: max_queued_messages 1000000 {_RESTART})",
        )
        return
    if seen.kept < seen.sent:
        found.problem(
            "queue limit",
            f"of {count_words(seen.sent)} messages for a client that is away the broker kept "
            f"{count_words(seen.kept)}, and dropped the others in silence"
            + (" (Mosquitto's default limit)" if seen.kept == 1000 else ""),  # noqa: PLR2004 - it is
            f"set max_queued_messages 1000000 and max_queued_bytes 1073741824 {_RESTART}",
        )
        return
    limit = (conf or {}).get("max_queued_messages", "")
    if not limit.isdecimal():
        found.unknown(
            "queue limit",
            f"keeps at least {count_words(seen.kept)} messages for a client that is away; what is "
            "beyond is not known",
            "see that its configuration has max_queued_messages 1000000 and max_queued_bytes "
            "1073741824 (Mosquitto), or what is its word for that",
        )
    elif 0 < int(limit) < SHORT_QUEUE:
        found.warning(
            "queue limit",
            f"keeps {count_words(int(limit))} messages for an absent bridge (its configuration), "
            "and drops further ones",
            f"set max_queued_messages 1000000 {_RESTART}",
        )
    else:  # 0 is Mosquitto's word for no limit
        words = f"{count_words(int(limit))} messages" if int(limit) else "any number of messages"
        found.ok("queue limit", f"keeps {words} for an absent bridge (its configuration)")


def _payload(found: Findings, seen: TrialSeen) -> None:
    if not seen.takes_largest:
        found.problem(
            "message size",
            f"refuses a payload of {LARGEST_PAYLOAD // 1024} KiB, which a device may send",
            f"set message_size_limit 1048576 and no max_packet_size {_RESTART}",
        )
    else:
        found.ok("message size", f"takes a payload of {LARGEST_PAYLOAD // 1024} KiB")


def _dropped(found: Findings, seen: BrokerSeen) -> None:
    if "version" not in seen.sys:
        return  # it shows no figures, and that has been said
    rate = float(seen.sys.get(DROPPED, "0"))
    if rate > 0:
        found.warning(
            "dropped",
            f"the broker has dropped messages in the last quarter of an hour, {rate:g} a minute: "
            "a client's queue was full",
            "raise max_queued_messages and max_queued_bytes; see which client is slow or away",
        )
    else:
        found.ok("dropped", "no message in the last quarter of an hour")


def _persistence(found: Findings, conf: Mapping[str, str] | None) -> None:
    if conf is None:
        found.unknown(
            "persistence",
            "whether sessions outlive a restart of the broker can't be asked by MQTT",
            "see that its configuration has `persistence true` and a persistence_location",
        )
    elif conf.get("persistence") != "true":
        found.problem(
            "persistence",
            "sessions and queues are lost when the broker restarts",
            f"set persistence true {_RESTART}",
        )
    else:
        found.ok("persistence", "sessions and queues outlive a restart of the broker")
