"""A bridge's socket is read while neither of its two brakes holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ingest.bridge import Bridge


@pytest.mark.parametrize(
    "bytes_full,messages_full,read",
    [(False, False, True), (True, False, False), (False, True, False), (True, True, False)],
)
def test_one_brake_is_enough_and_letting_go_of_the_other_does_not_let_it_go(
    bytes_full, messages_full, read
) -> None:
    did: list[bool] = []
    bridge: Any = Bridge.__new__(Bridge)
    bridge._link = SimpleNamespace(
        pause_receiving=lambda: did.append(False), resume_receiving=lambda: did.append(True)
    )
    bridge._writer = SimpleNamespace(backlog=SimpleNamespace(full=bytes_full))
    bridge._acks = SimpleNamespace(full=messages_full)
    bridge._hold_back()
    assert did == [read]
