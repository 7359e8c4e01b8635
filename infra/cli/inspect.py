"""Commands that look: settings, rules, devices and dead letters."""
# ruff: noqa: PLC0415 - each command imports what it needs when it runs, so that help comes at once

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.options import Data, Json
from schemas.deadletters import Reason

rules = typer.Typer(
    help="Alert rules: what is in force, and whether it is right.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
devices = typer.Typer(
    help="Devices and their state.", no_args_is_help=True, rich_markup_mode="markdown"
)
dlq = typer.Typer(
    help="Dead letters: input that was rejected, with its reason.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
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

    **Examples**

    - `qala devices list --state offline`
    - `qala devices list --site 'stop-*' --json`
    """
    from infra.cli.look_devices import list_devices

    list_devices(
        site, state.value if state else None, data=data, as_json=as_json, now_s=time.time()
    )


@dlq.command("list")
def dlq_list(
    *,
    reason: Annotated[
        Reason | None,
        typer.Option("--reason", metavar="CODE", help="Only letters with this reason code."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many, at most.")
    ] = 20,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Print dead letters, the newest first; never what was in them.

    **Examples**

    - `qala dlq list`
    - `qala dlq list --reason out_of_range --limit 100`
    """
    from infra.cli.look_letters import list_letters

    list_letters(
        reason.value if reason else None, limit, data=data, as_json=as_json, now_s=time.time()
    )


@dlq.command("show")
def dlq_show(
    *,
    place: Annotated[
        str,
        typer.Argument(
            metavar="PLACE", help="PARTITION:OFFSET of the letter, as `dlq list` prints it."
        ),
    ],
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Print one dead letter whole: its headers and its bytes.

    A sealed one (it may hold a person's id) is opened where the bridge's key is at hand:
    `QALA_PERSON_KEY`, or `person.key` in the data folder.

    **Example**

    - `qala dlq show 3:1042`
    """
    from infra.cli.look_letters import show_letter

    partition, separator, offset = place.partition(":")
    if not (separator and partition.isdecimal() and offset.isdecimal()):
        raise typer.BadParameter(f"'{place}' is not PARTITION:OFFSET; write for example 3:1042")
    show_letter(int(partition), int(offset), data=data, as_json=as_json)
