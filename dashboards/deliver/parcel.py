"""What is brought to a Grafana: one folder with all boards, and the data source they ask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.connections import InfluxConnection

FOLDER_UID: Final = "qala"
FOLDER_TITLE: Final = "Qala"


@dataclass(frozen=True, slots=True)
class Parcel:
    """Boards as the texts of their files, by file name, and the InfluxDB that they ask."""

    texts: Mapping[str, str]
    influx: InfluxConnection

    @property
    def boards(self) -> dict[str, dict[str, Any]]:
        """The boards by file name, as Grafana's JSON."""
        return {name: json.loads(text) for name, text in self.texts.items()}
