"""`qala doctor`."""
# ruff: noqa: PLC0415 - it imports what it needs when it runs, so that help comes at once

from __future__ import annotations

from infra.cli.options import Data, Json


def doctor(*, as_json: Json = False, data: Data = None) -> None:
    """Look at every server, topic, right, clock and limit, and say the mend of what is wrong.

    Looks with the settings in force here, as a stage would; takes some seconds. To see what the
    broker keeps for an absent bridge it publishes about a thousand small messages on
    `qala/doctor/…`, which nobody else gets; nothing else is written anywhere. Exit code 1 where
    there is a problem; warnings and what can't be seen from here are no problem.

    **Examples**

    - `qala doctor`
    - `qala doctor --json | jq -r '.[] | select(.state == "problem") | .mend'`
    """
    from infra.cli.look_doctor import show_findings

    show_findings(data=data, as_json=as_json)
