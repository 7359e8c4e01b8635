"""The optional list of expected devices (``QALA_DEVICES``), in TOML or CSV.

TOML has a ``[[device]]`` for each, CSV a line under the header ``site,kind,id,interval``::

    [[device]]
    site = "stop-12"
    kind = "ionizer"
    id = "ionizer-1"
    interval = "30s"    # optional: how often it sends
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from infra.errors import SettingsError
from schemas.topics import KINDS, is_id

ExpectedDevice = tuple[str, str, str, int | None]
"""Site, kind, device, and its interval in ms where one is given."""

_COLUMNS: Final = ("site", "kind", "id", "interval")
_DURATION: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h)")
_UNIT_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def load_expected_devices(path: Path | None) -> tuple[ExpectedDevice, ...]:
    """The devices that should be there, in the order of the file; none where there is no file.

    Raises:
        SettingsError: the file can't be read, or a device in it is not one; says which.
    """
    if path is None:
        return ()
    try:
        entries = list(_csv(path) if path.suffix.lower() == ".csv" else _toml(path))
    except OSError as exc:
        raise SettingsError(
            f"the list of devices {path} cannot be read: {exc.strerror}; mend QALA_DEVICES"
        ) from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, csv.Error) as exc:
        raise SettingsError(f"the list of devices {path} cannot be read: {exc}") from exc
    found: dict[tuple[str, str], ExpectedDevice] = {}
    for where, entry in entries:
        device = _device(entry, f"{path}, {where}")
        name = (device[0], device[2])
        if name in found:
            raise SettingsError(
                f"{path}, {where}: {'/'.join(name)} stands there twice; remove one of them"
            )
        found[name] = device
    return tuple(found.values())


def _toml(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    entries = document.pop("device", [])
    if document or not isinstance(entries, list):
        raise SettingsError(f"{path}: holds only [[device]] tables; remove what else is there")
    for number, entry in enumerate(entries, 1):
        yield f"device {number}", entry


def _csv(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for entry in reader:
            yield f"line {reader.line_num}", {key: value for key, value in entry.items() if value}


def _device(entry: Mapping[str, object], where: str) -> ExpectedDevice:
    unknown = [str(key) for key in entry if key not in _COLUMNS]
    if unknown:
        raise SettingsError(
            f"{where}: '{unknown[0]}' is not known; a device has {', '.join(_COLUMNS)}"
        )
    site, kind, device = (str(entry.get(key, "")) for key in _COLUMNS[:3])
    for key, value in (("site", site), ("id", device)):
        if not is_id(value):
            raise SettingsError(
                f"{where}: {key} '{value}' is not an id; write 1 to 63 of a-z, 0-9 and '-'"
            )
    if kind not in KINDS:
        raise SettingsError(f"{where}: kind '{kind}' is unknown; write one of {', '.join(KINDS)}")
    return site, kind, device, _interval_ms(entry.get("interval"), where)


def _interval_ms(value: object, where: str) -> int | None:
    if value is None:
        return None
    match = _DURATION.fullmatch(str(value).strip())
    milliseconds = round(float(match["number"]) * _UNIT_MS[match["unit"]]) if match else 0
    if milliseconds < 1:
        raise SettingsError(
            f"{where}: interval '{value}' is not a duration; write 500ms, 90s, 5m or 1h"
        )
    return milliseconds
