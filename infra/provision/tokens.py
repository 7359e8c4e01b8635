"""Tokens of InfluxDB 2.x that may do less than everything: the sink's, and one that reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from infra.provision.errors import ProvisionError
from infra.provision.influx import organisation
from infra.provision.influx_api import FIRST_2, InfluxApi
from schemas.connections import InfluxConnection
from schemas.measurements import DEFAULT_POLICY

TOKEN_FILE: Final = "token"  # noqa: S105 - the name of a file
# the sink recalls what it wrote of wrong clocks
_ACTIONS: Final = {"sink": ("read", "write"), "reader": ("read",)}
# Grafana reads it as another user; whoever else shall not is kept out by the folder
_MODES: Final = {"sink": 0o600, "reader": 0o644}


async def make_tokens(influx: InfluxConnection, folder: Path) -> list[str]:
    """Make ``sink/token`` and ``reader/token`` in ``folder``; returns what was done.

    The sink's may read and write all buckets of the organisation and nothing else, the reader's
    read them. One that is there and may read is kept, so this is safe to repeat; the sink's of
    an older version may not.

    Raises:
        ProvisionError: InfluxDB can't be reached or refuses, has no tokens (1.8), or the folder
            can't be written.
    """
    async with InfluxApi(influx) as api:
        version = await api.version()
        if version < FIRST_2:
            raise ProvisionError(
                f"InfluxDB at {influx} is {version}, which has users in the place of tokens; "
                "leave --tokens out, and make users as docs/securing.md says"
            )
        org = await organisation(api, influx)
        done = []
        for name, actions in _ACTIONS.items():
            file = folder / name / TOKEN_FILE
            if await _may_read(influx, _read(file)):
                continue
            bucket = {"type": "buckets", "orgID": org}
            asked = {
                "orgID": org,
                "description": f"qala provision: {name}",
                "permissions": [{"action": one, "resource": bucket} for one in actions],
            }
            made = await api.call("POST", "authorizations", json=asked)
            _write(file, str(made["token"]), _MODES[name])
            done.append(f"InfluxDB: made a token that may {' and '.join(actions)}, in {file}")
    return done


async def _may_read(influx: InfluxConnection, token: str) -> bool:
    if not token:
        return False
    async with InfluxApi(influx.model_copy(update={"token": SecretStr(token)})) as api:
        return await api.shows_bucket(influx.bucket(DEFAULT_POLICY))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as exc:
        raise ProvisionError(
            f"{file} can't be read ({exc}); let the user that provisions own it, or remove it"
        ) from exc


def _write(file: Path, token: str, mode: int) -> None:
    """Whole or not at all, and never readable by more than it shall be."""
    new = file.with_suffix(".new")
    try:
        file.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.parent.mkdir(mode=0o755, exist_ok=True)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(f"{token}\n")
        new.chmod(mode)
        new.replace(file)
    except OSError as exc:
        raise ProvisionError(
            f"{file} can't be written ({exc}); name a folder that this user may write"
        ) from exc
