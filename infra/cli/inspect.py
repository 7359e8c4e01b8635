"""Commands that look: settings, rules and devices."""
# ruff: noqa: PLC0415 - each command imports what it needs when it runs, so that help comes at once

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.options import Data, Json

rules = typer.Typer(
    help="Alert rules: what is in force, and whether it is right.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
devices = typer.Typer(
    help="Devices and their state.", no_args_is_help=True, rich_markup_mode="markdown"
)
RulesPath = Annotated[
    Path | None,
    typer.Argument(
        metavar="[PATH]",
        help="Rule file, or folder of rule files; default: QALA_RULES, or those that Qala ships.",
    ),
]


class DeviceState(StrEnum):
    """States that `devices list --state` takes."""

    ONLINE = "online"
    STALE = "stale"
    OFFLINE = "offline"
    NEVER_SEEN = "never_seen"
    UNKNOWN = "unknown"


def config(*, as_json: Json = False, data: Data = None) -> None:
    """Print each setting in force, and where it came from; secrets are masked.

    The environment wins over `qala.toml` in the working directory, which wins over what a
    running `qala up` offers and the defaults.

    **Examples**

    - `qala config`
    - `qala config --json | jq '.[] | select(.source != "default")'`
    """
    from infra.cli.look_config import show_config

    show_config(data=data, as_json=as_json)


@rules.command("list")
def rules_list(*, path: RulesPath = None, as_json: Json = False) -> None:
    """Print the alert rules.

    **Examples**

    - `qala rules list`
    - `qala rules list rules/air.toml --json`
    """
    from infra.cli.look_rules import list_rules

    list_rules(path, as_json=as_json)


@rules.command("check")
def rules_check(*, path: RulesPath = None, as_json: Json = False) -> None:
    """Say everything that is wrong with the rules; exit code 1 where they can't be used.

    **Examples**

    - `qala rules check`
    - `qala rules check rules/`
    """
    from infra.cli.look_rules import check_rules

    check_rules(path, as_json=as_json)


@devices.command("list")
def devices_list(
    *,
    site: Annotated[
        str | None,
        typer.Option("--site", metavar="PATTERN", help="Only these sites (a shell pattern)."),
    ] = None,
    state: Annotated[
        DeviceState | None, typer.Option("--state", help="Only devices in this state.")
    ] = None,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Print the devices, their states, and what is wrong with them.

    Where no worker has told for ten seconds that it is with the log, a state is unknown.

    **Examples**

    - `qala devices list --state offline`
    - `qala devices list --site 'stop-*' --json`
    """
    from infra.cli.look_devices import list_devices

    list_devices(
        site, state.value if state else None, data=data, as_json=as_json, now_s=time.time()
    )
