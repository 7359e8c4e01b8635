"""What a client asks for when it connects, and the CONNECT that says so. No socket."""

from __future__ import annotations

from dataclasses import dataclass

import mqtt5


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttOptions:
    """What CONNECT asks for (MQTT 5.0 §3.1).

    ``receive_max`` is how many QoS 1 messages the server may have unacknowledged towards us.
    ``session_expiry_s`` is how long the server keeps the session after the connection.
    ``connect_timeout_s`` is how long it may take to let us in, and to answer each SUBSCRIBE and
    UNSUBSCRIBE after the messages before them. ``gather_s`` is how long the socket is left alone
    after a look that found little.
    """

    client_id: str
    clean_start: bool = True
    session_expiry_s: int = 0
    receive_max: int = 65_535
    keep_alive_s: int = 30
    connect_timeout_s: float = 10.0
    gather_s: float = 0.0
    will: mqtt5.Will | None = None

    def connect_packet(self, username: str | None, password: bytes | None) -> mqtt5.ConnectPacket:
        """The CONNECT of a client with these options and this name."""
        return mqtt5.ConnectPacket(
            self.client_id,
            username=username,
            password=password,
            clean_start=self.clean_start,
            will=self.will,
            keep_alive=self.keep_alive_s,
            session_expiry_interval=self.session_expiry_s,
            receive_max=self.receive_max,
        )
