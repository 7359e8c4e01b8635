"""The stream processors: windows, throughput, device states and alerts from the telemetry log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.errors import RuleError, StateError, StreamsError, WorkerError
from streams.settings import StreamsSettings

if TYPE_CHECKING:
    from streams.stage import run_streams

__all__ = [
    "RuleError",
    "StateError",
    "StreamsError",
    "StreamsSettings",
    "WorkerError",
    "run_streams",
]


def __getattr__(name: str) -> object:
    # Faust takes a second to import, and a look at rules needs none of it
    if name == "run_streams":
        from streams.stage import run_streams  # noqa: PLC0415 -- see above

        return run_streams
    raise AttributeError(f"module 'streams' has no attribute {name!r}")
