"""What every simulated run is asked for, and what must be true of it afterwards."""

from __future__ import annotations

FAULTS = "duplicates=1%,disorder=0.5%,late=0.5%,malformed=0.1%"


def assert_all_is_there(report: dict[str, object], readings: int) -> None:
    assert report["lost"] == 0, report
    assert report["valid_distinct"] == report["stored"] == readings, report
    assert report["rejected"] == report["malformed"] > 0, report  # type: ignore[operator]
    assert report["ok"], report
