"""What tests of `qala doctor` ask for, and the one problem that they look for in its findings."""

from __future__ import annotations

from infra.doctor import Finding

WEEK_S = 7 * 86_400
"""How long the broker is asked to keep a session, in seconds."""


def problem(findings: list[Finding], part: str, check: str) -> Finding:
    """The only problem of that check."""
    (found,) = [f for f in findings if (f.part, f.check, f.state) == (part, check, "problem")]
    assert found.mend
    return found
