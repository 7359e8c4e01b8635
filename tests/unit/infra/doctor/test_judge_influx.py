from __future__ import annotations

import ssl

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from msgspec.structs import replace

from infra.doctor.ask_influx import InfluxSeen
from infra.doctor.finding import Away, Finding
from infra.doctor.judge_influx import judge_influx
from schemas.access import INFLUX as INFLUX_WORDS
from schemas.access import access_error
from schemas.connections import InfluxConnection
from schemas.measurements import POLICIES

INFLUX = InfluxConnection(url="http://influx:8086", token="secret-word")
KEPT = {name: policy.keep_s or 0 for name, policy in POLICIES.items()}
WELL = InfluxSeen(
    version=(2, 7),
    said="v2.7.12",
    clock_ms=(-600, 399),
    asked=(200, ""),
    readable=(200, ""),
    kept_s=KEPT,
    default="raw",
    writes={},
)


def judged(what: InfluxSeen | Away = WELL, **changes) -> list[Finding]:
    what = replace(what, **changes) if changes else what
    found = judge_influx(what, INFLUX)
    assert not any("secret-word" in f"{f.what} {f.mend}" for f in found)
    return [finding for finding in found if finding.state != "ok"]


def only(**changes) -> Finding:
    (found,) = judged(**changes)
    return found


def test_influxdb_as_it_is_provisioned_is_in_order():
    assert judged() == []


def test_a_refused_token_is_the_only_finding_beside_the_version():
    found = only(asked=(401, "unauthorized access"), readable=(401, ""), kept_s={}, default=None)
    assert found.check == "token"
    assert "QALA_INFLUX_TOKEN" in found.what
    assert "organisation qala" in str(found.mend)


def test_a_missing_policy_and_one_that_keeps_too_short_are_named():
    kept = {**KEPT, "r10s": 3600}
    del kept["r1h"]
    short, missing = judged(kept_s=kept)
    assert short.what == "policy r10s keeps rows 1 h, not 7 d"
    assert missing.what == "policy r1h is missing"
    assert {short.mend, missing.mend} == {"run `qala provision`"}


def test_another_default_policy_is_a_problem():
    assert only(default="autogen").what == "a query without a policy reads autogen, not raw"


def test_a_missing_database_is_told_once():
    for asked in ((200, "database not found: qala"), (200, "")):
        found = only(
            asked=asked, kept_s={}, default=None, writes={"raw": (404, "bucket not found")}
        )
        assert found.what == "there is no database qala"


def test_rights_that_are_missing_are_told():
    refused = {"raw": (403, "not authorised"), "r1h": (403, "not authorised")}
    reader = only(writes=refused)
    assert reader.state == "warning"
    assert reader.what == "may read qala, and not write raw, r1h: not authorised"
    nobody = only(writes=refused, readable=(403, "no"))
    assert nobody.state == "problem"
    writer = only(readable=(403, "requires READ"))
    assert writer.state == "warning"
    assert writer.what == "may write qala, and not read it: requires READ"
    assert "the sink needs READ on qala" in str(writer.mend)


def test_a_user_who_may_only_write_leaves_the_database_unseen():
    found = judged(asked=(403, "requires READ"), readable=(403, "no"), kept_s={}, default=None)
    assert [(f.check, f.state) for f in found] == [("database", "unknown"), ("rights", "warning")]


def test_an_organisation_that_is_not_known_is_the_only_finding():
    found = only(no_org='organization name "x" not found', kept_s={}, writes={"raw": (404, "x")})
    assert (found.check, found.state) == ("organisation", "problem")
    assert "QALA_INFLUX_ORG" in str(found.mend)


def test_versions_are_judged():
    assert only(version=(1, 7), said="1.7.1").state == "problem"
    assert only(version=(3, 0), said="3.0").state == "warning"
    assert judged(version=None, said="") == []


def test_influxdb_that_is_away_is_one_finding():
    assert [f.check for f in judged(Away("it is away", "start it"))] == ["answers"]


def test_a_certificate_that_is_not_trusted_is_told_with_its_setting():
    """Aiohttp wraps the error of the certificate in one of its own that lacks its code."""
    cause = ssl.SSLCertVerificationError(1, "unable to get local issuer certificate")
    cause.verify_code = 20
    key = ConnectionKey("influx", 8086, True, True, None, None, None)
    wrapped = aiohttp.ClientConnectorCertificateError(key, cause)
    error = access_error(INFLUX_WORDS, "https://influx:8086", wrapped, tls=True)
    away = Away.told(error, "QALA_INFLUX_URL")
    assert "is not trusted" in away.what
    assert "QALA_INFLUX_CA" in away.mend
