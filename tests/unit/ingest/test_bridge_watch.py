"""What a bridge says of a connection that ends while it subscribes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from ingest.bridge import Bridge
from ingest.errors import MqttError, MqttRefusedError

REFUSED = MqttRefusedError("the MQTT broker refused the subscription", code=0x87, retryable=True)
CLOSED = MqttError("the MQTT connection was closed by the broker")


@pytest.mark.parametrize("error,said", [(REFUSED, REFUSED), (CLOSED, CLOSED)])
async def test_a_refusal_is_said_also_where_the_broker_closes_the_connection_with_it(
    error, said
) -> None:
    loop = asyncio.get_running_loop()
    bridge: Any = Bridge.__new__(Bridge)
    bridge._stop = asyncio.Event()
    bridge._readiness = SimpleNamespace(waiting=lambda *_: None)
    bridge.settings = SimpleNamespace(tick_s=1.0)
    link = SimpleNamespace(closed=loop.create_future())
    writer: Any = SimpleNamespace(failed=loop.create_future())

    async def subscribe() -> None:
        link.closed.set_result(CLOSED)
        raise error

    with pytest.raises(MqttError) as caught:
        await bridge._watch(link, writer, loop.create_task(subscribe()), beat=lambda _: None)
    assert caught.value is said
