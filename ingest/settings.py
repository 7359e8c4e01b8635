"""Settings of the bridge."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

CLIENT_PREFIX: Final = "qala-bridge-"
_DAY_S = 86_400


class BridgeSettings(BaseModel):
    """How one bridge takes messages from MQTT and hands them to Kafka.

    ``id`` names the bridge's MQTT session (``qala-bridge-{id}``): two bridges with one id take
    each other's session over, so each copy needs its own, and the same one at each start.
    """

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] = "1"
    """Name of this bridge, and of its session at the broker; each copy has one of its own."""
    session_expiry_s: Annotated[int, Field(ge=60, le=2**32 - 2)] = 7 * _DAY_S
    """How long the broker keeps messages for this bridge while it is away."""
    receive_max: Annotated[int, Field(ge=1, le=65_535)] = 16_384
    """Messages taken in but not yet in Kafka; the broker holds back the others, or they are left
    in the socket.

    With ``linger_ms`` it bounds the rate: so many messages in a linger and a round trip.
    """
    keep_alive_s: Annotated[int, Field(ge=2, le=65_535)] = 20
    """With nothing to send for so long, the broker is asked whether it is still there."""
    connect_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    """How long the broker may take to let the bridge in, and to answer each subscription, which it
    does after all messages that waited."""
    reconnect_max_s: Annotated[float, Field(gt=0)] = 5.0
    """Longest pause between two attempts to reach MQTT or Kafka."""
    gather_ms: Annotated[int, Field(ge=0, le=1000)] = 25
    """How long the MQTT socket is left alone after little came, so that messages are taken
    together: a system call for each costs more than the message."""
    linger_ms: Annotated[int, Field(ge=0, le=10_000)] = 250
    """How long the first reading of an envelope waits for others."""
    envelope_bytes: Annotated[int, Field(ge=1024, le=900_000)] = 64 * 1024
    """An envelope of this size is sent without waiting longer."""
    kafka_request_timeout_ms: Annotated[int, Field(ge=1000)] = 30_000
    """How long one request to Kafka may take before it is tried again."""
    kafka_give_up_s: Annotated[float, Field(gt=0)] = 60.0
    """With a record older than this not in Kafka, MQTT is left and everything begins anew."""
    backlog_bytes: Annotated[int, Field(ge=1_000_000)] = 64_000_000
    """With more than this on its way to Kafka, nothing more is read from the MQTT socket.

    Counted are values, headers, and about 1000 bytes for each record.
    """
    tick_s: Annotated[float, Field(gt=0)] = 1.0
    """Real seconds between two ticks on each partition."""
    drain_s: Annotated[float, Field(gt=0)] = 10.0
    """How long a stopping bridge waits for Kafka to take what it has received."""
    leave_on_stop: bool = False
    """End the session when stopped: for a bridge that will not come back under this id."""

    @property
    def client_id(self) -> str:
        """Name of the MQTT session."""
        return f"{CLIENT_PREFIX}{self.id}"
