"""What `qala up` starts its stages with."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from infra.servers import ServerPorts
from infra.supervisor.plan import Plan, stage_specs


async def test_the_first_bridge_keeps_its_session_and_further_ones_leave(tmp_path: Path) -> None:
    plan = Plan(data=tmp_path, ports=ServerPorts(), bridges=3)
    async with aiohttp.ClientSession() as session:
        bridges = [spec for spec in stage_specs(plan, session) if spec.name.startswith("bridge")]
    leaving = {spec.name: "--leave" in spec.argv for spec in bridges}
    assert leaving == {"bridge": False, "bridge-2": True, "bridge-3": True}
