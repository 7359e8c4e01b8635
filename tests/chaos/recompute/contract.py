"""What the contract's tables say, written out once more for the recomputation."""

from __future__ import annotations

from typing import Final, Literal

Window = Literal["10s", "1m", "1h"]

SPAN_MS: Final[dict[Window, int]] = {"10s": 10_000, "1m": 60_000, "1h": 3_600_000}

TAGS: Final[dict[str, tuple[str, ...]]] = {
    "passage": ("direction",),
    "scene": (),
    "temperature": ("subject",),
    "air": (),
    "audio": (),
    "ticket": ("service", "event"),
}
"""Of each type of reading, the fields that are tags of its row."""

TAG_DEFAULTS: Final = {"subject": "ambient"}

NUMBERS: Final[dict[str, tuple[str, ...]]] = {
    "passage": ("mask", "body_celsius", "confidence"),
    "scene": (
        "people",
        "vehicles",
        "motion",
        "fps",
        "bitrate_kbps",
        "storage_free_pct",
        "tamper",
    ),
    "temperature": ("celsius", "humidity_pct"),
    "air": (
        "efficiency_pct",
        "ions_cm3",
        "ozone_ugm3",
        "pm25_ugm3",
        "co2_ppm",
        "filter_hours",
        "power_w",
        "people",
    ),
    "audio": ("volume_pct", "playing", "queue", "noise_db"),
    "ticket": (),
}
"""Of each type, the numeric and boolean fields: those that windows sum up."""

REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "passage": ("person", "direction"),
    "scene": ("people", "fps"),
    "temperature": ("celsius",),
    "air": ("efficiency_pct",),
    "audio": ("volume_pct", "playing"),
    "ticket": ("ticket", "service", "event"),
}
"""Of each type, the fields that no reading lacks, beside ``ts``, ``boot`` and ``seq``."""

LATENESS_MS: Final = 2_000
OUTAGE_MS: Final = 5_000
HOLD_MS: Final = 60_000
"""So long after an outage of ours no absence is judged."""
BEHIND_MS: Final = 60_000
"""A reading further behind the log's clock changes no alert."""
MAX_BOOTS: Final = 8
MAX_INTERVALS: Final = 256
LEAP_MAX: Final = 100
"""A seq so far above the highest of its boot may go on with it."""
DAY_MS: Final = 86_400_000
