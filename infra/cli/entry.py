"""The outermost layer: exit codes, and one line for whatever goes wrong."""

from __future__ import annotations

import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from typer.exceptions import Abort, TyperException

from infra.cli.app import app
from infra.errors import is_known, one_line

DONE: Final = 0
FAILED: Final = 1
WRONG_USAGE: Final = 2


def run(args: list[str] | None = None) -> int:
    """Run one command; gives the exit code: 0 done, 1 failed, 2 wrong usage.

    A failure, and wrong usage, is one line on stderr. The traceback of an error that isn't one of
    ours goes to ``logs/errors.log`` in the data folder.
    """
    try:
        code = app(args=args, prog_name="qala", standalone_mode=False)
        return code if isinstance(code, int) else DONE
    except TyperException as exc:
        return _wrong_usage(exc)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else FAILED
    except BrokenPipeError:
        # whoever read us (head, less) has seen enough; nothing can be said to them any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (Abort, KeyboardInterrupt):
        return _fail("interrupted")
    except Exception as exc:  # noqa: BLE001 - no traceback reaches a user
        return _fail(one_line(exc) if is_known(exc) else _unexpected(exc))


def _wrong_usage(error: TyperException) -> int:
    from infra.cli.usage import is_help, usage_sentence  # noqa: PLC0415 - help comes at once

    if is_help(error):
        sys.stdout.write(error.message)
    else:
        sys.stderr.write(f"qala: {usage_sentence(error)}\n")
    return WRONG_USAGE


def _fail(sentence: str) -> int:
    sys.stderr.write(f"qala: {sentence}\n")
    return FAILED


def _unexpected(error: Exception) -> str:
    said = f"something unexpected happened ({one_line(error)})"
    log = Path(os.environ.get("QALA_DATA") or ".qala") / "logs" / "errors.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat()} {' '.join(sys.argv[1:3])}\n")
            traceback.print_exception(error, file=file)
    except OSError:
        return f"{said}, and {log} cannot be written"
    return f"{said}; what and where is in {log}"
