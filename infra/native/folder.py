"""Where the native servers are: Mosquitto on the path, Kafka's jars and influxd in a folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from infra.native.errors import MissingProgramError

_MEND = "run `make setup`, which installs it"


@dataclass(frozen=True, slots=True)
class NativeFolder:
    """The programs and files that the servers are started from."""

    mosquitto: Path
    java: Path
    kafka_lib: Path
    influxd: Path


@cache
def versions() -> dict[str, str]:
    """``KAFKA_VERSION`` and ``INFLUXD_VERSION``, as in ``versions.env``."""
    text = files("infra.native").joinpath("versions.env").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def native_root(environ: Mapping[str, str]) -> Path:
    """Folder shared by all clones: ``QALA_NATIVE``, or ``qala/native`` in the user's cache."""
    if environ.get("QALA_NATIVE"):
        return Path(environ["QALA_NATIVE"])
    cache_home = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache_home) / "qala" / "native"


def find_native(environ: Mapping[str, str]) -> NativeFolder:
    """Find every server's program.

    Raises:
        MissingProgramError: one of them is not there; says which, where, and what to do.
    """
    root = native_root(environ)
    kafka_lib = root / f"kafka-{versions()['KAFKA_VERSION']}" / "lib"
    influxd = root / f"influxd-{versions()['INFLUXD_VERSION']}" / "influxd"
    for name, path in (("Kafka", kafka_lib), ("InfluxDB", influxd)):
        if not path.exists():
            raise MissingProgramError(f"{name} is not in {path}; {_MEND}")
    return NativeFolder(
        mosquitto=_program("Mosquitto", "mosquitto", environ),
        java=_java(environ),
        kafka_lib=kafka_lib,
        influxd=influxd,
    )


def _java(environ: Mapping[str, str]) -> Path:
    home = environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        return Path(home) / "bin" / "java"
    return _program("Java 17 or newer", "java", environ)


def _program(title: str, name: str, environ: Mapping[str, str]) -> Path:
    # Debian puts daemons into sbin, which is not on everyone's path
    path = f"{environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin"
    found = shutil.which(name, path=path)
    if found is None:
        raise MissingProgramError(f"{title} is not installed (no `{name}` on the path); {_MEND}")
    return Path(found)
