"""Pushing boards, against a server that plays back Grafana's documented HTTP API.

What this shows: which requests are sent, in which order, that paths and the names of fields are
documented ones, and what a user is told of each documented refusal. What it doesn't show: that
a Grafana accepts what the fields hold, or draws it. No Grafana runs here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from dashboards.deliver import GrafanaError, Parcel, Step, push
from schemas.connections import GrafanaConnection, InfluxConnection
from tests.support.grafana import TOKEN, Script, documented, serving, serving_by

API = Path(__file__).with_name("grafana_api.json")
FOLDER = "/api/folders/qala"
SOURCE = "/api/datasources/uid/qala-influxdb"
CITY, SITE = "/api/dashboards/uid/qala-city", "/api/dashboards/uid/qala-site"
RULES = "/api/v1/provisioning/folder/qala/rule-groups/qala-itself"
SAVE = "POST /api/dashboards/db"


@pytest.fixture
def script() -> Script:
    return documented(API)


@pytest.fixture
def url(script: Script) -> Iterator[str]:
    with serving(script) as address:
        yield address
    assert script.undocumented == []


def parcel(**influx: Any) -> Parcel:
    boards = {
        "city.json": {"uid": "qala-city", "title": "City", "schemaVersion": 41},
        "site.json": {"uid": "qala-site", "title": "Site", "schemaVersion": 41},
    }
    texts = {name: json.dumps(board) for name, board in boards.items()}
    return Parcel(texts, InfluxConnection(**influx))


def pushed(url: str, token: str = TOKEN, **options: Any) -> list[Step]:
    connection = GrafanaConnection(url=url, token=SecretStr(token))
    return list(push(connection, parcel(), **options))


def writes(script: Script) -> list[str]:
    return [f"{r.method} {r.path}" for r in script.heard if r.method != "GET"]


def body(script: Script, write: str) -> Any:
    return next(r.body for r in script.heard if f"{r.method} {r.path}" == write)


def test_everything_is_made_in_an_order_in_which_it_finds_what_it_refers_to(
    url: str, script: Script
) -> None:
    steps = pushed(url)
    assert [(step.kind, step.name, step.action) for step in steps] == [
        ("folder", "Qala", "made"),
        ("data source", "Qala InfluxDB", "made"),
        ("board", "City", "made"),
        ("board", "Site", "made"),
        ("alert rules", "qala-itself", "made"),
    ]
    assert writes(script) == [
        "POST /api/folders",
        "POST /api/datasources",
        SAVE,
        SAVE,
        f"PUT {RULES}",
    ]


def test_a_second_push_replaces_by_uid_and_makes_nothing_twice(url: str, script: Script) -> None:
    pushed(url)
    script.heard.clear()
    actions = [step.action for step in pushed(url)]
    assert actions == ["unchanged", "replaced", "replaced", "replaced", "replaced"]
    assert writes(script) == [f"PUT {SOURCE}", SAVE, SAVE, f"PUT {RULES}"]


def test_a_board_goes_into_our_folder_over_what_is_there_and_without_an_id(
    url: str, script: Script
) -> None:
    pushed(url)
    sent = body(script, SAVE)
    assert sent["folderUid"] == "qala"
    assert sent["overwrite"] is True
    assert sent["dashboard"] == {
        "uid": "qala-city", "title": "City", "schemaVersion": 41, "id": None,
    }  # fmt: skip


def test_the_token_of_influxdb_goes_where_grafana_encrypts_it_and_nowhere_else(
    url: str, script: Script
) -> None:
    connection = GrafanaConnection(url=url, token=SecretStr(TOKEN))
    given = parcel(url="http://influx:8086", database="city", token=SecretStr("in-flux-token"))
    list(push(connection, given))
    sent = body(script, "POST /api/datasources")
    assert sent["url"] == "http://influx:8086"
    assert sent["jsonData"]["dbName"] == "city"
    assert sent["jsonData"]["httpHeaderName1"] == "Authorization"
    assert sent["secureJsonData"] == {"httpHeaderValue1": "Token in-flux-token"}
    assert str(script.heard).count("in-flux-token") == 1


def test_a_dry_run_asks_and_changes_nothing(url: str, script: Script) -> None:
    script.has |= {FOLDER, CITY}
    actions = [step.action for step in pushed(url, dry_run=True)]
    assert actions == ["unchanged", "made", "replaced", "made", "made"]
    assert writes(script) == []


def test_what_a_file_provisioned_is_left_as_it_is(url: str, script: Script) -> None:
    script.has |= {FOLDER, SOURCE, CITY, SITE, RULES}
    script.more = {
        SOURCE: {"readOnly": True},
        CITY: {"meta": {"provisioned": True}},
        RULES: {"rules": [{"provenance": "file"}]},
    }
    actions = [step.action for step in pushed(url)]
    assert actions == ["unchanged", "left", "left", "replaced", "left"]
    assert writes(script) == [SAVE]


def test_a_data_source_that_is_kept_must_be_there(url: str, script: Script) -> None:
    with pytest.raises(GrafanaError, match="no data source with the uid qala-influxdb"):
        pushed(url, keep_datasource=True)
    script.has.add(SOURCE)
    assert pushed(url, keep_datasource=True)[1].action == "left"
    assert "POST /api/datasources" not in writes(script)
    assert f"PUT {SOURCE}" not in writes(script)


@pytest.mark.parametrize(
    "request_,status,told",
    [
        (f"GET {FOLDER}", 401, "does not know the token; make one for a service account"),
        (
            f"GET {SOURCE}",
            403,
            "does not let this token handle the data source 'Qala InfluxDB' (You'll need",
        ),
        ("POST /api/datasources", 403, "give its service account the role Admin"),
        (SAVE, 412, "will not have the board 'City' replaced (The dashboard has been changed"),
        (SAVE, 400, "refused the board 'City' (400: Cannot save provisioned dashboard)"),
        (f"PUT {RULES}", 400, "refused the alert rules 'qala-itself' (400: invalid alert rule)"),
    ],
)
def test_each_documented_refusal_is_one_line_that_says_what_to_do(
    url: str, script: Script, request_: str, status: int, told: str
) -> None:
    script.answers[request_] = status
    with pytest.raises(GrafanaError) as refused:
        pushed(url)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_a_wrong_token_is_told_without_the_token(url: str) -> None:
    with pytest.raises(GrafanaError, match="does not know the token") as refused:
        pushed(url, token="another-token")
    assert "another-token" not in str(refused.value)


def test_what_was_done_before_a_refusal_is_told_first(url: str, script: Script) -> None:
    script.answers[f"PUT {RULES}"] = 400
    connection = GrafanaConnection(url=url, token=SecretStr(TOKEN))
    steps = push(connection, parcel())
    assert [next(steps).kind for _ in range(4)] == ["folder", "data source", "board", "board"]
    with pytest.raises(GrafanaError, match="alert rules"):
        next(steps)


def test_nobody_at_the_address_is_told_with_the_address() -> None:
    with serving(documented(API)) as gone:
        pass
    with pytest.raises(GrafanaError, match=f"Grafana at {gone} does not answer") as refused:
        pushed(gone)
    assert "QALA_GRAFANA_URL" in str(refused.value)


@pytest.mark.parametrize("status", [200, 404])
def test_another_server_at_the_address_is_no_grafana(status: int) -> None:
    with some_page(status) as url, pytest.raises(GrafanaError, match="not as Grafana does"):
        pushed(url)


def test_a_grafana_below_a_path_is_asked_below_that_path(url: str, script: Script) -> None:
    with pytest.raises(GrafanaError, match="404"):
        pushed(f"{url}/grafana")
    assert script.heard[0].path == "/grafana/api/folders/qala"
    script.undocumented.clear()


@contextmanager
def some_page(status: int) -> Iterator[str]:
    """A server that gives one and the same page for everything."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html>It works!</html>")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving_by(Page) as url:
        yield url
