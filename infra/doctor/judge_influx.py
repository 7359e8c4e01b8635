"""What is well and what is not with InfluxDB, by what was seen of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from infra.doctor.ask_influx import InfluxSeen
from infra.doctor.finding import Away, Finding, Findings
from infra.words import age_words
from schemas.connections import InfluxConnection
from schemas.measurements import DEFAULT_POLICY, POLICIES

_OLDEST: Final = (1, 8)
_FIRST_UNKNOWN: Final = (3, 0)
_REFUSALS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_PROVISION: Final = "run `qala provision`"


def judge_influx(seen: InfluxSeen | Away, influx: InfluxConnection) -> list[Finding]:
    """Findings of the part ``influxdb``."""
    found = Findings("influxdb")
    if isinstance(seen, Away):
        found.problem("answers", seen.what, seen.mend)
        return found.made
    found.ok("answers", str(influx))
    _version(found, seen)
    if HTTPStatus.UNAUTHORIZED in {seen.asked[0], seen.readable[0]}:
        _token(found, seen, influx)
        return found.made
    if seen.no_org:
        found.problem(
            "organisation",
            f"InfluxDB knows no organisation {influx.org} ({seen.no_org})",
            "set QALA_INFLUX_ORG to the token's organisation (`influx org list` shows it)",
        )
        return found.made
    if _database(found, seen, influx):
        _policies(found, seen)
    _rights(found, seen, influx)
    return found.made


def _version(found: Findings, seen: InfluxSeen) -> None:
    if seen.version is None:
        found.ok("version", "a build that does not say its version, and answers like 1.8")
    elif seen.version < _OLDEST:
        found.problem("version", f"InfluxDB {seen.said}", "install InfluxDB 1.8 or 2.7")
    elif seen.version >= _FIRST_UNKNOWN:
        found.warning(
            "version",
            f"InfluxDB {seen.said} is not one that Qala is tested with",
            "take InfluxDB 1.8 or 2.7",
        )
    else:
        found.ok("version", f"InfluxDB {seen.said}")


def _token(found: Findings, seen: InfluxSeen, influx: InfluxConnection) -> None:
    has_one = bool(influx.token.get_secret_value())
    said = seen.asked[1] or seen.readable[1]
    is_2 = seen.version is not None and seen.version[0] > 1
    found.problem(
        "token",
        f"InfluxDB refuses {'QALA_INFLUX_TOKEN' if has_one else 'who has no token'} ({said})",
        "set QALA_INFLUX_TOKEN to "
        + (
            f"a token of the organisation {influx.org} (`influx auth list` shows them)"
            if is_2
            else "user:password of a user of InfluxDB"
        ),
    )


def _database(found: Findings, seen: InfluxSeen, influx: InfluxConnection) -> bool:
    status, said = seen.asked
    if "not found" in said or (status == HTTPStatus.OK and not seen.default and not seen.kept_s):
        found.problem("database", f"there is no database {influx.database}", _PROVISION)
        return False
    if said or status != HTTPStatus.OK:
        found.unknown(
            "database",
            f"{influx.database} and its retention can't be seen: {said or f'HTTP {status}'}",
            "look with a user (or token) that may read it, or provision it",
        )
        return False
    found.ok("database", f"{influx.database} is there")
    return True


def _policies(found: Findings, seen: InfluxSeen) -> None:
    well = True
    for name, policy in POLICIES.items():
        wanted_s = policy.keep_s or 0
        kept_s = seen.kept_s.get(name)
        if kept_s is None:
            well = False
            found.problem("retention", f"policy {name} is missing", _PROVISION)
        elif kept_s != wanted_s:
            well = False
            found.problem(
                "retention",
                f"policy {name} keeps rows {_kept(kept_s)}, not {_kept(wanted_s)}",
                _PROVISION,
            )
    if seen.default != DEFAULT_POLICY:
        well = False
        found.problem(
            "retention",
            f"a query without a policy reads {seen.default}, not {DEFAULT_POLICY}",
            _PROVISION,
        )
    if well:
        said = ", ".join(f"{name} {_kept(p.keep_s or 0)}" for name, p in POLICIES.items())
        found.ok("retention", said)


def _rights(found: Findings, seen: InfluxSeen, influx: InfluxConnection) -> None:
    """Reading is enough for boards, the sink writes, too: each may have a user of its own."""
    name = influx.database
    no_read = seen.readable[1] if seen.readable[0] != HTTPStatus.OK else ""
    # what isn't there can't be written either, and has been told
    no_write = {
        policy: said or "no reason given"
        for policy, (status, said) in seen.writes.items()
        if policy in seen.kept_s or status in _REFUSALS
    }
    policies, first = ", ".join(no_write), next(iter(no_write.values()), "")
    if no_read and no_write:
        found.problem(
            "rights",
            f"may neither read {name} ({no_read}) nor write {policies} ({first})",
            f"grant this user (or token) READ and WRITE on {name}",
        )
    elif no_write:
        found.warning(
            "rights",
            f"may read {name}, and not write {policies}: {first}",
            f"enough for boards; the sink needs WRITE on {name}",
        )
    elif no_read:
        found.warning(
            "rights",
            f"may write {name}, and not read it: {no_read}",
            f"the sink needs READ on {name}, too: without it a reading of a wrong clock that comes "
            "again after a restart becomes a second row",
        )
    elif not seen.writes:
        found.ok("rights", f"may read and write {name}")


def _kept(seconds: int) -> str:
    return "for ever" if not seconds else age_words(seconds)
