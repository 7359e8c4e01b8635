"""``python -m infra.grafana_check``: what `make check-grafana` runs; 1 where something is wrong."""

from __future__ import annotations

import os
import sys

from dashboards.deliver import rule_group
from infra.errors import InfraError
from infra.grafana_check.check import check, published_boards
from infra.grafana_check.faults import FAULTS, RULE_FAULTS


def main() -> int:
    """Check what is published, and say each finding as FILE:LINE."""
    boards = published_boards()
    try:
        findings = check(boards, rule_group(), os.environ)
    except InfraError as exc:
        sys.stderr.write(f"check-grafana: {exc}\n")
        return 1
    for finding in findings:
        sys.stderr.write(f"{finding}\n")
    if findings:
        return 1
    sys.stdout.write(
        f"check-grafana: {len(boards)} boards and the alert rules fit Grafana's types; "
        f"{len(FAULTS) + len(RULE_FAULTS)} planted faults were found\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
