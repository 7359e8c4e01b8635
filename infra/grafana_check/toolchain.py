"""Node, npm and TypeScript: packages by the lock file, cached; diagnoses as data."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

from infra.grafana_check.errors import GrafanaCheckError
from infra.native import native_root

_PACKAGES: Final = ("package.json", "package-lock.json")
_INSTALL_TIMEOUT_S: Final = 300.0
_CHECK_TIMEOUT_S: Final = 300.0
_SAID_LINES: Final = 5
_DIAGNOSIS: Final = re.compile(
    r"^(?P<file>[^\s(]+)\((?P<line>\d+),\d+\): error (?P<code>TS\d+): (?P<said>.*)$"
)


class Diagnosis(NamedTuple):
    """One error of TypeScript: the file in the checked folder, its line (from 1), the text."""

    file: str
    line: int
    said: str


def node_modules(environ: Mapping[str, str]) -> Path:
    """The packages of the lock file, installed by ``npm ci`` where they aren't yet.

    Raises:
        GrafanaCheckError: Node or npm is missing, or npm fails.
    """
    program("node", environ)
    sources = [files("infra.grafana_check").joinpath(name).read_bytes() for name in _PACKAGES]
    version = hashlib.sha256(b"".join(sources)).hexdigest()[:12]
    target = native_root(environ) / f"grafana-check-{version}"
    if not (target / "node_modules").is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new.", dir=target.parent) as made:
            new = Path(made) / "packages"
            new.mkdir()
            for name, content in zip(_PACKAGES, sources, strict=True):
                (new / name).write_bytes(content)
            _install(new, environ)
            if not target.exists():  # another clone may have been faster; its folder is as good
                new.rename(target)
    return target / "node_modules"


def program(name: str, environ: Mapping[str, str]) -> str:
    """Where ``node`` or ``npm`` is.

    Raises:
        GrafanaCheckError: nowhere on the path.
    """
    found = shutil.which(name, path=environ.get("PATH"))
    if found is None:
        raise GrafanaCheckError(
            f"{name} is not on the path; install Node 20 or newer with npm (Debian: apt-get "
            "install nodejs npm), which only this check needs"
        )
    return found


def diagnose(folder: Path, environ: Mapping[str, str]) -> list[Diagnosis]:
    """What TypeScript says of the project in ``folder``.

    Raises:
        GrafanaCheckError: it didn't run to its end.
    """
    compiler = folder / "node_modules" / "typescript" / "bin" / "tsc"
    done = _run(
        [program("node", environ), str(compiler), "--project", ".", "--pretty", "false"],
        folder, environ, _CHECK_TIMEOUT_S,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if "error TS" in line]
    matches = [match for line in lines if (match := _DIAGNOSIS.match(line))]
    if len(matches) < len(lines) or (done.returncode != 0 and not matches):
        raise GrafanaCheckError(f"TypeScript failed: {_last(done.stdout + done.stderr)}")
    return [
        Diagnosis(match["file"], int(match["line"]), f"{match['said']} ({match['code']})")
        for match in matches
    ]


def _install(folder: Path, environ: Mapping[str, str]) -> None:
    done = _run(
        [program("npm", environ), "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        folder, environ, _INSTALL_TIMEOUT_S,
    )  # fmt: skip
    if done.returncode != 0:
        raise GrafanaCheckError(
            f"npm could not install Grafana's types: {_last(done.stderr)}; check that npm reaches "
            "its registry"
        )


def _run(
    command: list[str], folder: Path, environ: Mapping[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=folder, env=dict(environ), capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=timeout_s, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise GrafanaCheckError(
            f"`{Path(command[0]).name}` did not run to its end ({type(exc).__name__}); try again"
        ) from exc


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-_SAID_LINES:]) or "it said nothing"
