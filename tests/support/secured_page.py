"""The commands of docs/securing.md, run as they stand there."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from infra.native import find_native

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "securing.md"
_SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def _blocks(section: str, language: str) -> list[str]:
    found = dict(_SECTION.findall(PAGE.read_text(encoding="utf-8")))
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", found[section], re.MULTILINE | re.DOTALL)
    assert blocks, f"docs/securing.md has no {language} under '{section}'"
    return blocks


def influxdb_variables(folder: Path) -> dict[str, str]:
    """What the page says of ``influxdb.conf``, as variables of influxd, which mean the same."""
    (block,) = _blocks("InfluxDB 1.8", "toml")
    written = tomllib.loads(block.replace("/etc/influxdb/qala", str(folder)))["http"]
    return {
        f"INFLUXDB_HTTP_{key.upper().replace('-', '_')}": str(value).replace("True", "true")
        for key, value in written.items()
    }


class Page:
    """Runs the page's commands in ``folder``, with ``addresses`` in the place of its own."""

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        self._folder = folder
        self._addresses = addresses
        self._tools = folder / "bin"
        self._tools.mkdir(parents=True)
        self._write_tools()

    async def run(self, section: str, number: int | None = None) -> str:
        """Run all commands of a section, or those of its block ``number``, from 0; what they say.

        They get no setting of ours but what they set themselves.
        """
        blocks = _blocks(section, "sh")
        script = "\n".join(blocks if number is None else [blocks[number]])
        for theirs, ours in self._addresses.items():
            script = script.replace(theirs, ours)
        others = {key: value for key, value in os.environ.items() if not key.startswith("QALA_")}
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", script),
            cwd=self._folder,
            env=others | {"PATH": f"{self._tools}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, f"'{section}' of docs/securing.md: {said.decode()}"
        return said.decode()

    def _write_tools(self) -> None:
        native = find_native(os.environ)
        java = f"{native.java} -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
        self._write_tool(
            "kafka-storage.sh", f"{java} -cp '{native.kafka_lib}/*' kafka.tools.StorageTool"
        )
        # Kafka's own is not among the jars that Qala installs
        self._write_tool("kafka-acls.sh", f"{sys.executable} -m tests.support.secured_acls")

    def _write_tool(self, name: str, command: str) -> None:
        tool = self._tools / name
        tool.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {command} "$@"\n', encoding="utf-8")
        tool.chmod(0o700)
