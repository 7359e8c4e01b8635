"""A Mosquitto that refuses subscriptions, by its own plugin: its access list grants them all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from infra.servers import ServerPorts, native_servers
from ingest.claim import CLAIMS
from ingest.subscriptions import EVERY_FILTER
from tests.support.bridges import device
from tests.support.servers import RunningServer

_PLUGIN: Final = "mosquitto_dynamic_security.so"
_CONTROL: Final = "$CONTROL/dynamic-security/v1"
_ANYONE: Final = "anyone"


class Choosy(RunningServer):
    """Mosquitto with dynamic security, where anyone may do anything but what is `refusing`."""

    def __init__(self, data: Path) -> None:
        server = native_servers(data, ServerPorts.free())[0]
        self._refused: AbstractSet[str] = frozenset()

        async def prepare() -> None:
            await server.prepare()
            rights = server.folder / "rights.json"
            rights.write_text(json.dumps(_rights(self._refused)), encoding="utf-8")
            with (server.folder / "mosquitto.conf").open("a", encoding="utf-8") as config:
                config.write(f"plugin {_plugin()}\nplugin_opt_config_file {rights}\n")
                config.write("log_type subscribe\n")

        super().__init__(replace(server, prepare=prepare))

    @asynccontextmanager
    async def refusing(self, *filters: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Restarted, it refuses SUBSCRIBE to ``filters``, until what this gives is called."""
        self._refused = frozenset(filters)
        await self.restart()
        try:
            yield self._allow
        finally:
            self._refused = frozenset()
            await self._allow()

    async def _allow(self) -> None:
        """Refuse nothing any more, and leave everybody connected."""
        access = [{"acltype": "subscribe", "allow": True}]
        command = {"command": "setDefaultACLAccess", "acls": access}
        async with device(ServerPorts(mqtt=self.port).mqtt_connection(), "rights") as sender:
            sender.publish(_CONTROL, {"commands": [command]})
            await sender.all_acknowledged()

    def asked_for(self, client_id: str, pattern: str) -> int:
        """How often a client has asked for a subscription that was granted."""
        log = self.server.log.read_text(encoding="utf-8", errors="replace")
        return sum(
            client_id in line and line.rstrip().endswith(pattern) for line in log.splitlines()
        )


def _plugin() -> Path:
    """Debian and Ubuntu have it in the package mosquitto."""
    found = sorted(Path("/usr/lib").glob(f"*/{_PLUGIN}"))
    assert found, f"no {_PLUGIN} below /usr/lib: it comes with the package mosquitto"
    return found[0]


def _rights(refused: AbstractSet[str]) -> dict[str, object]:
    """Where one is refused, the others are allowed one by one: a change of those cuts clients."""
    allowed = [("publishClientSend", f"{_CONTROL}/#"), ("subscribePattern", f"{CLAIMS}#")]
    claims = (f"{CLAIMS}+", f"{CLAIMS}+/beat")
    allowed += [("subscribeLiteral", name) for name in {*EVERY_FILTER, *claims} - refused]
    acls = [{"acltype": kind, "topic": topic, "allow": True} for kind, topic in allowed]
    others = {"publishClientSend": True, "publishClientReceive": True, "unsubscribe": True}
    return {
        "defaultACLAccess": others | {"subscribe": not refused},
        "anonymousGroup": _ANYONE,
        "clients": [],
        "groups": [{"groupname": _ANYONE, "roles": [{"rolename": _ANYONE}]}],
        "roles": [{"rolename": _ANYONE, "acls": acls}],
    }
