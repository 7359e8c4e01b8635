"""Settings of the stream processor."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class StreamsSettings(BaseModel):
    """What a worker (`run_streams`) needs beside the connection to Kafka."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    group: str = Field("qala-streams", description="Kafka consumer group of all workers")
    worker_id: str | None = Field(
        None,
        description="name of this worker, unique among those alive; by default the host's name "
        "and the first number that is free in the data folder",
    )
    data: Path = Field(Path(".qala"), description="data folder")
    rules: Path | None = Field(
        None, description="rule file, or folder of rule files; by default those that Qala ships"
    )
    expected_devices: tuple[tuple[str, str, str, int | None], ...] = Field(
        (), description="devices that should be there: (site, kind, device, interval in ms)"
    )
    fetch_max_bytes: int = Field(
        4 * 1024 * 1024, ge=64 * 1024, description="most bytes of one partition in one fetch"
    )
    output_linger_ms: int = Field(
        50, ge=0, le=5000, description="how long outputs wait for others to be sent with them"
    )
    outputs_waiting_max: int = Field(
        50_000, ge=1000, description="outputs not yet in Kafka at which the fold waits"
    )
    session_timeout_s: float = Field(
        6.0, ge=6.0, description="after so long without a heartbeat a worker's partitions move"
    )
