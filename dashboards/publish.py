"""``python -m dashboards.publish`` writes the boards of the shipped rules as Grafana's JSON.

They are committed, since Grafana reads them as they are; a test says when they are stale.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dashboards.boards import build_all
from dashboards.grafana import dashboard_json
from dashboards.limits import Limits, read_limits, shipped_rules

PUBLISHED: Final = Path(__file__).parent / "published"


def documents(limits: Limits) -> dict[str, str]:
    """The text of each board's file, by its name."""
    boards = build_all(limits)
    return {f"{board.uid}.json": dashboard_json(board, boards) for board in boards}


def main() -> None:
    """Write every board and remove what is none any more."""
    PUBLISHED.mkdir(exist_ok=True)
    wanted = documents(read_limits(shipped_rules()))
    for path in PUBLISHED.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (PUBLISHED / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
