"""Whether the stages of a data folder are ready: the health check of a container.

``python -m infra.ready`` ends with 0 where ``/ready`` says so, otherwise with 1 and one line. It
imports next to nothing, as it runs every few seconds beside every stage.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Final

from infra.supervisor.records import ProbeRecord, read_probes, run_folder

TIMEOUT_S: Final = 4.0


def unready(data: Path) -> str | None:
    """Why a stage that runs on ``data`` is not ready, or None where all are.

    What a killed one left behind doesn't count: a volume outlives its container.
    """
    alive = [probe for probe in read_probes(run_folder(data)) if probe.process.alive()]
    if not alive:
        return f"no stage runs on {data}"
    return "; ".join(filter(None, map(_asked, alive))) or None


def _asked(probe: ProbeRecord) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", probe.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        if answer.status == HTTPStatus.OK:
            return None
        reasons = json.loads(answer.read())["reasons"]
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return f"{probe.name} does not answer"
    finally:
        connection.close()
    return f"{probe.name} waits: " + "; ".join(f"{part}: {why}" for part, why in reasons.items())


if __name__ == "__main__":
    sys.exit(unready(Path(os.environ.get("QALA_DATA") or ".qala")))
