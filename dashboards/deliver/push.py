"""Sending a parcel to a Grafana: folder, data source, boards, rules; safe to repeat.

Everything has a uid of ours, so that what is there is found again and replaced. What that
Grafana was provisioned with from a file is left as it is: it refuses changes to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

from dashboards.deliver.api import Grafana, Json
from dashboards.deliver.datasource import datasource
from dashboards.deliver.errors import GrafanaError
from dashboards.deliver.parcel import FOLDER_TITLE, FOLDER_UID, Parcel
from dashboards.deliver.rules import GROUP, rule_group
from dashboards.grafana import DATASOURCE_UID
from schemas.connections import GrafanaConnection

_MESSAGE: Final = "sent by qala dashboards push"

Action = Literal["made", "replaced", "unchanged", "left"]


class Step(NamedTuple):
    """One thing of the parcel, and what happened to it (on a dry run: what would).

    ``left`` means that this Grafana has it from a file of its own.
    """

    kind: Literal["folder", "data source", "board", "alert rules"]
    name: str
    action: Action


def push(
    connection: GrafanaConnection,
    parcel: Parcel,
    *,
    dry_run: bool = False,
    keep_datasource: bool = False,
) -> Iterator[Step]:
    """Send everything, in an order in which each thing finds what it refers to.

    Each step is given when it is done. With ``dry_run`` Grafana is only asked what it has. With
    ``keep_datasource`` the data source must be there, and is left alone.

    Raises:
        GrafanaError: it doesn't answer or refuses; what came before is done.
        DeliverError: the certificate authority of InfluxDB can't be read.
    """
    grafana = Grafana(connection)
    yield _folder(grafana, dry_run=dry_run)
    yield _datasource(grafana, parcel, dry_run=dry_run, keep=keep_datasource)
    for board in parcel.boards.values():
        yield _board(grafana, board, dry_run=dry_run)
    yield _rules(grafana, dry_run=dry_run)


def _folder(grafana: Grafana, *, dry_run: bool) -> Step:
    what = f"the folder '{FOLDER_TITLE}'"
    folders = grafana.api.folder
    found = grafana.find(what, folders.get_folder, FOLDER_UID)
    if found is None:
        if not dry_run:
            grafana.send(what, folders.create_folder, FOLDER_TITLE, FOLDER_UID)
        return Step("folder", FOLDER_TITLE, "made")
    # its people may have given it a better name, and that is theirs
    return Step("folder", str(found.get("title", FOLDER_TITLE)), "unchanged")


def _datasource(grafana: Grafana, parcel: Parcel, *, dry_run: bool, keep: bool) -> Step:
    body = datasource(parcel.influx, parcel.influx.token.get_secret_value())
    what = f"the data source '{body['name']}'"
    sources = grafana.api.datasource
    found = grafana.find(what, sources.get_datasource_by_uid, DATASOURCE_UID)
    if found is None and keep:
        raise GrafanaError(
            f"this Grafana has no data source with the uid {DATASOURCE_UID}, which every board "
            "asks; make it there, or push without --keep-datasource"
        )
    if found is None:
        if not dry_run:
            grafana.send(what, sources.create_datasource, body)
        return Step("data source", body["name"], "made")
    if keep or found.get("readOnly"):
        return Step("data source", str(found.get("name", body["name"])), "left")
    if not dry_run:
        grafana.send(what, sources.update_datasource_by_uid, DATASOURCE_UID, body)
    return Step("data source", body["name"], "replaced")


def _board(grafana: Grafana, board: Json, *, dry_run: bool) -> Step:
    title, uid = str(board["title"]), str(board["uid"])
    what = f"the board '{title}'"
    boards = grafana.api.dashboard
    found = grafana.find(what, boards.get_dashboard, uid)
    if found is not None and found.get("meta", {}).get("provisioned"):
        return Step("board", title, "left")
    if not dry_run:
        body: dict[str, Any] = {
            "dashboard": {**board, "id": None},
            "folderUid": FOLDER_UID,
            "message": _MESSAGE,
            "overwrite": True,
        }
        grafana.send(what, boards.update_dashboard, body)
    return Step("board", title, "made" if found is None else "replaced")


def _rules(grafana: Grafana, *, dry_run: bool) -> Step:
    what = f"the alert rules '{GROUP}'"
    rules = grafana.api.alertingprovisioning
    found = grafana.find(what, rules.get_rule_group, FOLDER_UID, GROUP)
    if found is not None and any(r.get("provenance") == "file" for r in found.get("rules", ())):
        return Step("alert rules", GROUP, "left")
    if not dry_run:
        grafana.send(what, rules.update_rule_group, FOLDER_UID, GROUP, rule_group(FOLDER_UID))
    return Step("alert rules", GROUP, "made" if found is None else "replaced")
