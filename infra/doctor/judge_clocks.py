"""Whether all clocks agree: ours, Kafka's, InfluxDB's and the bridges'."""

from __future__ import annotations

from typing import Final

from infra.doctor.ask_influx import InfluxSeen
from infra.doctor.finding import Away, Finding, Findings
from infra.doctor.watch_log import RECENT_MS, LogWatched

OFF_MS: Final = 2000
"""A difference from which a clock is a problem."""

DISBELIEVES_MS: Final = 5000
"""A ``ts`` that is further ahead of a bridge's clock is not believed (contract §1), so one whose
clock is so far behind believes no device."""
_SYNC: Final = "synchronise the clock of {} (`timedatectl set-ntp true`, or chrony)"
_HARM: Final = "boards then show live values as unknown, and ages are wrong"


def judge_clocks(
    log: LogWatched | None, influx: InfluxSeen | Away, *, synchronised: bool | None
) -> list[Finding]:
    """Findings of the part ``clocks``; ``synchronised`` is what this machine says of its own."""
    found = Findings("clocks")
    _own(found, synchronised=synchronised)
    kafka_ms = log.clock_ms if log is not None else None
    influx_ms = _least(influx.clock_ms) if isinstance(influx, InfluxSeen) else None
    ours_is_off = _agree(kafka_ms, influx_ms)
    if log is not None and log.simulated:
        found.ok("Kafka", "not compared: the bridges run on a simulated clock")
    elif kafka_ms is None:
        found.unknown(
            "Kafka",
            "its clock is seen when a record comes, and none came while we watched",
            "start a bridge, and look again",
        )
    else:
        _judge(found, "Kafka", kafka_ms, ours_is_off=ours_is_off)
    if influx_ms is not None:
        _judge(found, "InfluxDB", influx_ms, ours_is_off=ours_is_off)
    for bridge in log.bridges if log is not None else ():
        if bridge.ahead_ms is not None:
            _bridge(found, bridge.id, bridge.ahead_ms)
        elif log is not None and not log.simulated and bridge.quiet_ms <= RECENT_MS:
            found.unknown(
                f"bridge {bridge.id}",
                "its clock is seen in what it receives, and it has passed on nothing of devices "
                "for a minute",
                "look again when a device has sent something",
            )
    return found.made


def _own(found: Findings, *, synchronised: bool | None) -> None:
    if synchronised is None:
        found.unknown(
            "this machine",
            "it does not tell whether its clock is synchronised",
            "see that chrony, systemd-timesyncd or the host keeps its clock",
        )
    elif synchronised:
        found.ok("this machine", "its clock is synchronised")
    else:
        found.warning("this machine", "its clock is not synchronised", _SYNC.format("this machine"))


def _judge(found: Findings, server: str, difference_ms: int, *, ours_is_off: bool) -> None:
    if abs(difference_ms) < OFF_MS:
        found.ok(server, "its clock agrees with this machine's")
        return
    whose = "this machine: Kafka and InfluxDB agree" if ours_is_off else f"{server}'s machine"
    found.problem(
        server,
        f"its clock is {_words(difference_ms)} this machine's: {_HARM}",
        _SYNC.format(whose),
    )


def _bridge(found: Findings, bridge: str, ahead_ms: int) -> None:
    """By how far it is ahead at least: what it sends was also on its way for a while."""
    check = f"bridge {bridge}"
    mend = (
        f"see the clock of its machine, and what it waits for: /ready of bridge {bridge}; "
        + _SYNC.format("that machine")
    )
    late = (
        f"what it sends was received {_words(ahead_ms)} Kafka's clock: its clock is wrong, or it "
        "is that late"
    )
    if ahead_ms >= OFF_MS:
        found.problem(
            check,
            f"its clock is {_words(ahead_ms)} Kafka's: it stamps what devices send with it",
            _SYNC.format(f"the machine of bridge {bridge}"),
        )
    elif ahead_ms <= -DISBELIEVES_MS:
        found.problem(
            check, f"{late}; with a clock so far behind it believes no device's time", mend
        )
    elif ahead_ms <= -OFF_MS:
        spare_s = (ahead_ms + DISBELIEVES_MS) / 1000
        found.warning(
            check,
            f"{late}; with such a clock it does not believe a device that is more than "
            f"{spare_s:.1f} s ahead of Kafka's",
            mend,
        )
    else:
        found.ok(check, f"its clock agrees with Kafka's to {OFF_MS // 1000} s")


def _agree(kafka_ms: int | None, influx_ms: int | None) -> bool:
    """Whether both servers are off, and by the same: then the odd clock is ours."""
    if kafka_ms is None or influx_ms is None:
        return False
    off = min(abs(kafka_ms), abs(influx_ms)) >= OFF_MS
    # the Date of a server is good to a second
    return off and abs(kafka_ms - influx_ms) < OFF_MS


def _least(span: tuple[int, int] | None) -> int | None:
    """Of all differences that are possible, the smallest."""
    if span is None:
        return None
    low, high = span
    return low if low > 0 else min(high, 0)


def _words(difference_ms: int) -> str:
    side = "ahead of" if difference_ms > 0 else "behind"
    return f"{abs(difference_ms) / 1000:.1f} s {side}"
