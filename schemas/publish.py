"""Write ``schemas/published/``, or say what is stale there: ``python -m schemas.publish``."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from schemas import asyncapi
from schemas.jsonschemas import json_schemas

FOLDER: Final = Path(__file__).parent / "published"
RENEW: Final = "run: python -m schemas.publish"


def documents() -> dict[str, bytes]:
    """Every published file by its name, as it should be."""
    built = {**json_schemas(), asyncapi.FILE: asyncapi.asyncapi_document()}
    return {name: _text(document) for name, document in built.items()}


def stale(folder: Path = FOLDER) -> list[str]:
    """What differs in ``folder``: one sentence for each file that is missing, old or extra."""
    wanted = documents()
    held = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    return [
        *(f"{name} is missing" for name in sorted(wanted.keys() - held.keys())),
        *(f"{name} is no longer published" for name in sorted(held.keys() - wanted.keys())),
        *(
            f"{name} is not what the structs say"
            for name in sorted(wanted.keys() & held.keys())
            if wanted[name] != held[name]
        ),
    ]


def publish(folder: Path = FOLDER) -> None:
    """Write every file into ``folder`` and remove those that are no longer published."""
    folder.mkdir(exist_ok=True)
    wanted = documents()
    for path in folder.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_bytes(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish, or with ``--check`` only compare; 0 where all is well, 1 where files are stale."""
    parser = ArgumentParser(prog="python -m schemas.publish", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    if not parser.parse_args(arguments).check:
        publish()
        return 0
    differences = stale()
    if differences:
        print(f"schemas/published is stale: {'; '.join(differences)}; {RENEW}", file=sys.stderr)  # noqa: T201 - a command's one line
    return 1 if differences else 0


def _text(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


if __name__ == "__main__":
    sys.exit(main())
