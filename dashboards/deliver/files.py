"""Provisioning files: what Grafana reads from its provisioning folder when it starts.

    dashboards/qala.yaml     where the boards are, and in which folder they are shown
    dashboards/qala/*.json   the boards
    datasources/qala.yaml    InfluxDB; secrets only as names of variables
    alerting/qala.yaml       rules that Grafana judges
    alerting/qala-contact.yaml.example   whom to tell: to be filled in, and not read as it is

The forms are those of Grafana's documentation ("Provision Grafana", "Use configuration files to
provision alerting resources"). In all but boards and queries Grafana replaces ``$NAME`` by a
variable of its environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, NamedTuple

import yaml  # type: ignore[import-untyped] # it ships no types

from dashboards.deliver.datasource import datasource
from dashboards.deliver.errors import DeliverError
from dashboards.deliver.parcel import FOLDER_TITLE, FOLDER_UID, Parcel
from dashboards.deliver.rules import file_group

TOKEN_VARIABLE: Final = "QALA_INFLUX_TOKEN"  # noqa: S105 - the name of a variable
DEFAULT_PROVISIONING: Final = PurePosixPath("/etc/grafana/provisioning")
_BOARDS: Final = PurePosixPath("dashboards/qala")
_RESCAN_S: Final = 30
_NEVER_WRAPPED: Final = 10_000
"""A query stays on its line, so that it can be searched for."""
_HEAD: Final = "# Written by `qala dashboards build`, which writes it again whole.\n"

Action = Literal["made", "changed", "unchanged", "removed"]


class ProvisioningFile(NamedTuple):
    """A file below the provisioning folder, its text, and what it is."""

    path: PurePosixPath
    text: str
    what: str


class Written(NamedTuple):
    """What happened to one file, and what it is."""

    path: Path
    action: Action
    what: str


def provisioning_files(
    parcel: Parcel, provisioning: PurePosixPath = DEFAULT_PROVISIONING
) -> list[ProvisioningFile]:
    """All files. ``provisioning`` is where Grafana will find the folder they are written to.

    Raises:
        DeliverError: the certificate authority of InfluxDB can't be read.
    """
    token = f"${TOKEN_VARIABLE}" if parcel.influx.token.get_secret_value() else ""
    source = datasource(parcel.influx, token) | {"orgId": 1, "editable": False}
    provider = {
        "name": "qala",
        "orgId": 1,
        "folder": FOLDER_TITLE,
        "folderUid": FOLDER_UID,
        "type": "file",
        "updateIntervalSeconds": _RESCAN_S,
        "allowUiUpdates": False,
        "options": {"path": str(provisioning / _BOARDS)},
    }
    return [
        _yaml("dashboards/qala.yaml", {"providers": [provider]}, "where the boards are"),
        *_boards(parcel),
        _yaml(
            "datasources/qala.yaml",
            {"datasources": [source]},
            f"data source: {parcel.influx}",
            f"# Grafana's environment gives {TOKEN_VARIABLE}.\n" if token else "",
        ),
        _yaml("alerting/qala.yaml", {"groups": [file_group(FOLDER_TITLE)]}, "rules on Qala itself"),
        ProvisioningFile(
            PurePosixPath("alerting/qala-contact.yaml.example"), _CONTACT, "example: whom to tell"
        ),
    ]


def write_files(files: Sequence[ProvisioningFile], out: Path) -> list[Written]:
    """Write what differs into ``out``, and remove boards that are no longer among ``files``.

    Raises:
        DeliverError: the folder can't be written.
    """
    try:
        done = [_write(file, out) for file in files]
        done += _remove_others(out / _BOARDS, {out / file.path for file in files})
    except OSError as exc:
        raise DeliverError(
            f"{exc.filename or out} cannot be written ({exc.strerror}); name another folder "
            "with --out"
        ) from exc
    return done


def _boards(parcel: Parcel) -> Iterable[ProvisioningFile]:
    for name, board in parcel.boards.items():
        yield ProvisioningFile(_BOARDS / name, parcel.texts[name], f"board: {board['title']}")


def _yaml(path: str, content: dict[str, Any], what: str, head: str = "") -> ProvisioningFile:
    text = yaml.dump(
        {"apiVersion": 1, **content},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=_NEVER_WRAPPED,
    )
    return ProvisioningFile(PurePosixPath(path), f"{_HEAD}{head}{text}", what)


def _write(file: ProvisioningFile, out: Path) -> Written:
    path = out / file.path
    content = file.text.encode()
    before = path.read_bytes() if path.is_file() else None
    if before == content:
        return Written(path, "unchanged", file.what)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Grafana may look at any moment: the file is there whole or not at all
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    os.replace(new, path)  # noqa: PTH105 - as Path.replace, and it names both files in an error
    return Written(path, "made" if before is None else "changed", file.what)


def _remove_others(folder: Path, kept: set[Path]) -> list[Written]:
    others = sorted(set(folder.glob("*.json")) - kept)
    for path in others:
        path.unlink()
    return [Written(path, "removed", "board that Qala no longer has") for path in others]


class _Dumper(yaml.SafeDumper):  # type: ignore[misc] # as above
    """YAML as people write it: lists indented, nothing by reference."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - as its base has it
        """Indent the items of a list below its key."""
        super().increase_indent(flow, False)  # noqa: FBT003 - as above

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - as its base has it
        """Write everything out; an anchor would only puzzle."""
        return True


_CONTACT: Final = """\
# An example, which Grafana doesn't read under this name. It tells somebody when one of Qala's
# rules fires. Fill in the address, rename the file to qala-contact.yaml, restart Grafana.
# Qala's own alerts (ozone, silence, ...) don't come this way: see QALA_CHAT_URLS.
#
# `policies` replaces the whole notification policy of the organisation: leave it out where
# there is one already, and route the label service = qala to the contact point there.
apiVersion: 1
contactPoints:
  - orgId: 1
    name: qala-on-call
    receivers:
      - uid: qala-on-call
        type: webhook # or email, telegram, slack, ...: each has settings of its own
        settings:
          url: $QALA_ON_CALL_WEBHOOK
policies:
  - orgId: 1
    receiver: grafana-default-email
    group_by: [grafana_folder, alertname]
    routes:
      - receiver: qala-on-call
        object_matchers:
          - [service, "=", qala]
"""
