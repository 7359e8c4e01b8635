"""What is told in a chat, and how."""

from __future__ import annotations

import msgspec
import pytest

from schemas.records import Alert
from sinks.messages import message_of

FIRING = Alert(
    id="ozone-high-1", rule="ozone-high", severity="critical", site="stop-1", kind="ionizer",
    device="ion-7", state="firing", value=120.5, summary="Ozone 120.5 µg/m³ at stop-1",
    at=1_800_000_020_000, ordinal=1, started=1_800_000_000_000,
    runbook="docs/runbooks/ozone-high.md", fired=True,
)  # fmt: skip


def test_a_firing_alert_says_what_where_since_when_and_what_to_do():
    message = message_of(FIRING)
    assert message is not None
    assert message.title == "[critical] FIRING ozone-high"
    for part in (
        "Ozone 120.5 µg/m³ at stop-1",
        "stop-1",
        "ion-7",
        "2027-01-15 08:00:00 UTC",
        "docs/runbooks/ozone-high.md",
        "ozone-high-1:firing:1",
    ):
        assert part in message.body


def test_a_resolve_holds_its_own_summary_with_the_value_of_its_moment():
    resolved = msgspec.structs.replace(FIRING, state="resolved", summary="Ozone 88 at stop-1")
    message = message_of(resolved)
    assert message is not None
    assert message.title == "[critical] RESOLVED ozone-high"
    assert message.body.startswith("Ozone 88 at stop-1")
    assert message.id != message_of(FIRING).id


def test_an_alert_that_fires_again_within_a_millisecond_is_another_message():
    again = message_of(msgspec.structs.replace(FIRING, ordinal=3))
    assert again is not None
    assert again.id != message_of(FIRING).id


@pytest.mark.parametrize("state,fired", [("pending", False), ("resolved", False)])
def test_what_never_fired_is_not_told(state, fired):
    assert message_of(msgspec.structs.replace(FIRING, state=state, fired=fired)) is None


def test_a_moment_outside_the_calendar_is_told_in_ms():
    message = message_of(msgspec.structs.replace(FIRING, started=2**62))
    assert message is not None
    assert f"{2**62} ms" in message.body
