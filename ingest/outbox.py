"""What one connection has to send: all of one turn of the loop leaves in one system call."""

from __future__ import annotations

import asyncio


class Outbox:
    """Gathers bytes for a transport; ``writable`` is cleared while the socket is full."""

    def __init__(self) -> None:
        """Begin without a transport: what is sent before there is one waits for it."""
        self._loop = asyncio.get_running_loop()
        self._bytes = bytearray()
        self._due = False
        self.transport: asyncio.Transport | None = None
        self.writable = asyncio.Event()
        self.writable.set()

    def send(self, data: bytes) -> None:
        """Send ``data`` at the end of this turn; dropped where the transport is closing."""
        self._bytes += data
        if not self._due:
            self._due = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what is gathered now."""
        self._due = False
        if self.transport is None:
            return
        if self._bytes and not self.transport.is_closing():
            self.transport.write(self._bytes)
        self._bytes = bytearray()  # a new one: the transport may still hold the old
