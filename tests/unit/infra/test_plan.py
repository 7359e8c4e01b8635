"""What `qala up` starts its stages with."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from infra.servers import ServerPorts
from infra.supervisor.plan import Plan, addresses, stage_specs


async def test_the_first_bridge_keeps_its_session_and_further_ones_leave(tmp_path: Path) -> None:
    plan = Plan(data=tmp_path, ports=ServerPorts(), bridges=3)
    async with aiohttp.ClientSession() as session:
        bridges = [spec for spec in stage_specs(plan, session) if spec.name.startswith("bridge")]
    leaving = {spec.name: "--leave" in spec.argv for spec in bridges}
    assert leaving == {"bridge": False, "bridge-2": True, "bridge-3": True}


def test_every_command_that_is_hinted_at_names_the_data_folder() -> None:
    plan = Plan(data=Path("/srv/a b"), ports=ServerPorts.shifted(1000))
    told = addresses(plan, servers_only=False)
    assert [line.partition("qala ")[2] for line in told[-3:]] == [
        "ps --data '/srv/a b'", "devices list --data '/srv/a b'", "dlq list --data '/srv/a b'",
    ]  # fmt: skip
