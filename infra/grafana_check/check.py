"""Types of Grafana's npm packages against our JSON: TypeScript files made for the occasion.

Each document becomes a typed constant, as a literal: only so does TypeScript refuse properties
that it doesn't know. Beside them stand the same documents with a planted fault each; where one of
those passes, the check itself is broken, and says so.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

from dashboards.publish import PUBLISHED
from infra.grafana_check.errors import GrafanaCheckError
from infra.grafana_check.faults import FAULTS, RULE_FAULTS, plant
from infra.grafana_check.toolchain import diagnose, node_modules

BOARD_TYPES: Final = {"SchemaBoard": "@grafana/schema", "SdkBoard": "grafana-foundation-sdk"}
"""What a board must fit, and who publishes it: what Grafana is built with, and our builder."""
RULE_TYPE: Final = "SdkRuleGroup"
_STATIC: Final = ("board.ts", "tsconfig.json")
_FOLDER: Final = "checked"
_FIRST_JSON_LINE: Final = 3


class Finding(NamedTuple):
    """One complaint: a document, a line of its JSON (from 1), what is said, by whose types."""

    document: str
    line: int
    said: str
    types: str

    def __str__(self) -> str:
        """As compilers write it, ``FILE:LINE: …``."""
        return f"{self.document}:{self.line}: {self.said} by the types of {self.types}"


class _Document(NamedTuple):
    """A JSON document that must fit a type; or must not, where ``fault`` names what is wrong."""

    name: str
    type: str
    value: Mapping[str, Any]
    fault: str | None = None


def published_boards() -> dict[str, dict[str, Any]]:
    """The boards as they are published with Qala: file name to Grafana's JSON, sorted."""
    paths = sorted(PUBLISHED.glob("*.json"))
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def check(
    boards: Mapping[str, dict[str, Any]], rules: dict[str, Any], environ: Mapping[str, str]
) -> list[Finding]:
    """Check ``boards`` (by file name) and a group of alert rules; gives what is wrong.

    Raises:
        GrafanaCheckError: Node is missing, the packages can't be installed, or a planted fault
            was not found.
    """
    if not boards:
        raise GrafanaCheckError("there is no board in dashboards/published to check")
    documents = _documents(boards, rules)
    with tempfile.TemporaryDirectory(prefix="qala-grafana-check-") as made:
        folder = Path(made)
        (folder / "node_modules").symlink_to(node_modules(environ))
        _write(folder, documents)
        said = defaultdict(list)
        for diagnosis in diagnose(folder, environ):
            said[diagnosis.file].append(diagnosis)
    for file in said.keys() - {_file(number) for number in range(len(documents))}:
        raise GrafanaCheckError(f"the check can't be trusted: {file}: {said[file][0].said}")
    findings = []
    for number, document in enumerate(documents):
        complaints = said[_file(number)]
        if document.fault is None:
            types = BOARD_TYPES.get(document.type, "grafana-foundation-sdk")
            findings += [
                Finding(document.name, max(one.line - _FIRST_JSON_LINE + 1, 1), one.said, types)
                for one in complaints
            ]
        elif not complaints:
            raise GrafanaCheckError(
                f"the check can't be trusted: {document.type} accepts '{document.fault}'; see "
                "infra/grafana_check/board.ts"
            )
    return findings


def _documents(boards: Mapping[str, dict[str, Any]], rules: dict[str, Any]) -> list[_Document]:
    found = [_Document("alert rules", RULE_TYPE, rules)]
    found += [
        _Document("alert rules", RULE_TYPE, plant(fault, [rules]), fault.name)
        for fault in RULE_FAULTS
    ]
    for type_ in BOARD_TYPES:
        found += [
            _Document(f"dashboards/published/{name}", type_, board)
            for name, board in boards.items()
        ]
        found += [
            _Document("", type_, plant(fault, list(boards.values())), fault.name)
            for fault in FAULTS
        ]
    return found


def _write(folder: Path, documents: Sequence[_Document]) -> None:
    for name in _STATIC:
        source = files("infra.grafana_check").joinpath(name)
        (folder / name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    shutil.rmtree(folder / _FOLDER, ignore_errors=True)
    (folder / _FOLDER).mkdir()
    for number, document in enumerate(documents):
        # in the order of the published file and indented, so that their lines are the same
        text = json.dumps(document.value, indent=2, ensure_ascii=False)
        (folder / _file(number)).write_text(
            f'import type {{ {document.type} }} from "../board";\n'
            f"export const document: {document.type} =\n{text};\n",
            encoding="utf-8",
        )


def _file(number: int) -> str:
    return f"{_FOLDER}/document-{number}.ts"
