"""The event loop of a stage: uvloop, which lets go of a TLS connection within a second.

uvloop 0.23 waits up to 30 s for the other side's good-bye. Kafka gives none while it holds a
fetch of a consumer that is being stopped (measured: 30.0 s; asyncio's own loop: 0.5 s), and a
worker reads its state with such a consumer at each rebalance.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import uvloop

TLS_GOODBYE_S: Final = 1.0
"""How long a closed TLS connection may take to send what is buffered and hear the good-bye."""


class StageLoop(uvloop.Loop):
    """uvloop with `TLS_GOODBYE_S` for connections that it opens."""

    async def create_connection(self, *args: Any, **named: Any) -> Any:  # noqa: ANN401 - uvloop's own
        """As uvloop's, with a shorter limit for the end of TLS."""
        if named.get("ssl"):
            named.setdefault("ssl_shutdown_timeout", TLS_GOODBYE_S)
        return await super().create_connection(*args, **named)


class StageLoopPolicy(asyncio.DefaultEventLoopPolicy):
    """Makes a `StageLoop` wherever a thread asks for a new loop."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """A loop that the caller runs and closes."""
        return StageLoop()
