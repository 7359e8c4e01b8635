"""The program `qala`. Commands import what they need when they run, so that help comes at once."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the program and end the process with its exit code."""
    from infra.cli.entry import run  # noqa: PLC0415 - other users of this package don't pay for it

    raise SystemExit(run())
