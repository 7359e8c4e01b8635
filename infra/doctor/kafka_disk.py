"""Where a Kafka on this machine keeps its log, and how much space is left there.

A broker says the names of its folders; only that they hold its own mark tells that they are of
this machine (a container's may have the same names).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from infra.doctor.ask_kafka import KafkaSeen
from infra.doctor.ask_machine import Disk

MARK: Final = "meta.properties"
"""Written by every broker into each of its folders, with the id of its cluster."""
_MB: Final = 1_000_000


def kafka_disk(kafka: KafkaSeen) -> Disk | None:
    """The fullest disk of the only broker; None where one of its folders can't be seen from here.

    For a mark in a folder of another user's the right to read it is needed: root has it.
    """
    if kafka.brokers != 1 or kafka.broker is None or not kafka.cluster_id:
        return None
    said = kafka.broker.get("log.dirs") or kafka.broker.get("log.dir") or ""
    folders = [Path(name.strip()) for name in said.split(",") if name.strip()]
    if not folders or not all(_is_of(folder, kafka.cluster_id) for folder in folders):
        return None
    disks = [Disk(folder, shutil.disk_usage(folder).free // _MB) for folder in folders]
    return min(disks, key=lambda disk: disk.free_mb)


def _is_of(folder: Path, cluster_id: str) -> bool:
    if not folder.is_absolute():
        return False  # it begins where the broker was started, and that is not told
    try:
        lines = (folder / MARK).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return False
    return f"cluster.id={cluster_id}" in lines
