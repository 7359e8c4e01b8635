"""InfluxDB's database: retention policies of 1.8, buckets and their mapping of 2.x."""

from __future__ import annotations

import re

from infra.provision.errors import ProvisionError
from infra.provision.influx_api import FIRST_2, InfluxApi
from schemas.connections import InfluxConnection
from schemas.measurements import DEFAULT_POLICY, POLICIES, RetentionPolicy


async def provision_influx(influx: InfluxConnection) -> list[str]:
    """Make what is missing and mend what differs; returns what was done, one line each.

    Raises:
        UnsupportedServerError: the server is older than 1.8, or 3.x.
        ProvisionError: it can't be reached or refuses.
    """
    async with InfluxApi(influx) as api:
        version = await api.version()
        if version < FIRST_2:
            return await _policies(api, influx.database)
        return await _buckets(api, influx)


async def _policies(api: InfluxApi, database: str) -> list[str]:
    """InfluxQL of 1.8: CREATE DATABASE, then one RETENTION POLICY each."""
    done = []
    if [database] not in await api.ask("SHOW DATABASES"):
        # WITH a name: no policy `autogen` comes along
        default = POLICIES[DEFAULT_POLICY]
        await api.ask(
            f"CREATE DATABASE {_quoted(database)} WITH DURATION {_duration(default.keep_s)} "
            f"REPLICATION 1 SHARD DURATION {_duration(default.shard_s)} "
            f"NAME {_quoted(default.name)}"
        )
        done.append(f"InfluxDB: made database {database} with policy {default.name}")
    existing = {
        str(name): (duration_s(str(keep)), duration_s(str(shard)), bool(is_default))
        for name, keep, shard, _, is_default, *_ in await api.ask(
            f"SHOW RETENTION POLICIES ON {_quoted(database)}"
        )
    }
    for policy in POLICIES.values():
        is_default = policy.name == DEFAULT_POLICY
        wanted = (policy.keep_s or 0, policy.shard_s, is_default)
        if existing.get(policy.name) != wanted:
            verb = "ALTER" if policy.name in existing else "CREATE"
            await api.ask(_policy_statement(verb, database, policy, is_default=is_default))
            done.append(f"InfluxDB: {'set' if verb == 'ALTER' else 'made'} policy {policy.name}")
    return done


def _policy_statement(
    verb: str, database: str, policy: RetentionPolicy, *, is_default: bool
) -> str:
    return (
        f"{verb} RETENTION POLICY {_quoted(policy.name)} ON {_quoted(database)} "
        f"DURATION {_duration(policy.keep_s)} REPLICATION 1 "
        f"SHARD DURATION {_duration(policy.shard_s)}{' DEFAULT' if is_default else ''}"
    )


async def _buckets(api: InfluxApi, influx: InfluxConnection) -> list[str]:
    """2.x: one bucket for each policy, and which of them InfluxQL reads without being told."""
    org = await organisation(api, influx)
    found = await api.call("GET", "buckets", params={"orgID": org, "limit": "100"})
    existing = {bucket["name"]: bucket for bucket in found["buckets"]}
    done, ids = [], {}
    for policy in POLICIES.values():
        name = influx.bucket(policy.name)
        rules = [
            {
                "type": "expire",
                "everySeconds": policy.keep_s or 0,
                "shardGroupDurationSeconds": policy.shard_s,
            }
        ]
        if name not in existing:
            asked = {"orgID": org, "name": name, "retentionRules": rules}
            existing[name] = await api.call("POST", "buckets", json=asked)
            done.append(f"InfluxDB: made bucket {name}")
        elif existing[name]["retentionRules"] != rules:
            path = f"buckets/{existing[name]['id']}"
            await api.call("PATCH", path, json={"retentionRules": rules})
            done.append(f"InfluxDB: set retention of bucket {name}")
        ids[policy.name] = existing[name]["id"]
    return done + await _mappings(api, influx, org, ids)


async def organisation(api: InfluxApi, influx: InfluxConnection) -> str:
    """The id of the organisation, on 2.x.

    Raises:
        ProvisionError: the token knows none of that name.
    """
    found = await api.call("GET", "orgs", params={"org": influx.org})
    if not found.get("orgs"):
        # not made here: InfluxQL reads only the organisation that the token belongs to
        raise ProvisionError(
            f"InfluxDB at {influx} has no organisation {influx.org!r} for this token; set "
            "QALA_INFLUX_ORG and QALA_INFLUX_TOKEN to an organisation and a token of it"
        )
    return str(found["orgs"][0]["id"])


async def _mappings(
    api: InfluxApi, influx: InfluxConnection, org: str, bucket_ids: dict[str, str]
) -> list[str]:
    """Map ``database``.``policy`` to each bucket (2.x DBRP); the default policy is ours."""
    params = {"orgID": org, "db": influx.database}
    found = await api.call("GET", "dbrps", params=params)
    existing = {
        mapping["retention_policy"]: mapping
        for mapping in found.get("content", [])
        if not mapping.get("virtual")
    }
    done = []
    for policy, bucket_id in bucket_ids.items():
        is_default = policy == DEFAULT_POLICY
        if policy not in existing:
            mapping = {
                "orgID": org,
                "bucketID": bucket_id,
                "database": influx.database,
                "retention_policy": policy,
                "default": is_default,
            }
            await api.call("POST", "dbrps", json=mapping)
            done.append(f"InfluxDB: mapped {influx.database}.{policy} to its bucket")
        elif is_default and not existing[policy]["default"]:
            path = f"dbrps/{existing[policy]['id']}"
            await api.call("PATCH", path, params={"orgID": org}, json={"default": True})
            done.append(f"InfluxDB: made {policy} the default of {influx.database}")
    return done


def _quoted(name: str) -> str:
    """An InfluxQL identifier."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _duration(seconds: int | None) -> str:
    return "INF" if seconds is None else f"{seconds}s"


def duration_s(text: str) -> int:
    """Seconds of a duration as 1.8 shows it: ``168h0m0s``; ``0s`` is for ever."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)([hms])", text))
