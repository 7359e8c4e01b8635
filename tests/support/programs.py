"""What a program needs to find our packages."""

from __future__ import annotations

import os
from pathlib import Path


def env() -> dict[str, str]:
    """The environment of a test, in which Python finds our packages."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
