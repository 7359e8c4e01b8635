"""One connection of the simulator, before it has a broker."""

from __future__ import annotations

import random

from infra.simulator.message import Outgoing
from infra.simulator.publisher import Lane
from schemas.connections import MqttConnection
from schemas.readiness import Readiness


def a_lane() -> Lane:
    return Lane(
        MqttConnection(),
        1,
        client_id="sim",
        inflight=10,
        on_acknowledged=lambda _message: None,
        readiness=Readiness(),
        rng=random.Random(1),
    )


def test_nothing_to_send_leaves_nothing_to_wait_for() -> None:
    lane = a_lane()
    lane.offer([])
    assert lane.idle.is_set()
    assert not lane.pending


def test_what_waits_for_a_connection_is_waited_for() -> None:
    lane = a_lane()
    lane.offer([Outgoing(1, "qala/v1/s/ionizer/i/telemetry", b"{}")])
    lane.offer([])
    assert not lane.idle.is_set()
    assert lane.pending == 1
