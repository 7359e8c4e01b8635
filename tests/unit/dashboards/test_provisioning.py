"""Provisioning files, against the forms that Grafana's documentation gives.

The names of fields below are written down from "Provision Grafana" and "Use configuration files
to provision alerting resources"; Grafana ignores a name that it doesn't know without a word. No
Grafana has read these files here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from dashboards.deliver import (
    GRAFANA_RULES,
    DeliverError,
    Parcel,
    provisioning_files,
    rule_group,
    write_files,
)
from schemas.connections import InfluxConnection

BOARDS = {
    "city.json": {"uid": "qala-city", "title": "City", "schemaVersion": 41},
    "site.json": {"uid": "qala-site", "title": "Site „Süd“", "schemaVersion": 41},
}
PROVIDER = {
    "name", "orgId", "folder", "folderUid", "type", "disableDeletion", "updateIntervalSeconds",
    "allowUiUpdates", "options",
}  # fmt: skip
SOURCE = {
    "name", "type", "access", "orgId", "uid", "url", "user", "database", "basicAuth",
    "basicAuthUser", "withCredentials", "isDefault", "jsonData", "secureJsonData", "version",
    "editable",
}  # fmt: skip
JSON_DATA = {"dbName", "httpMode", "maxSeries", "timeInterval", "tlsAuthWithCACert"}
GROUP = {"orgId", "name", "folder", "interval", "rules"}
RULE = {
    "uid", "title", "condition", "data", "dashboardUid", "panelId", "noDataState", "execErrState",
    "for", "annotations", "labels", "isPaused",
}  # fmt: skip
QUERY = {"refId", "queryType", "relativeTimeRange", "datasourceUid", "model"}
CONTACT = {"orgId", "name", "receivers"}
POLICY = {"orgId", "receiver", "group_by", "routes", "matchers", "object_matchers"}


def parcel(boards: dict[str, Any] | None = None, **influx: Any) -> Parcel:
    chosen = BOARDS if boards is None else boards
    texts = {name: json.dumps(board, ensure_ascii=False) for name, board in chosen.items()}
    return Parcel(texts, InfluxConnection(**influx))


def texts(given: Parcel) -> dict[str, str]:
    return {str(file.path): file.text for file in provisioning_files(given)}


def read(given: Parcel, path: str) -> Any:
    return yaml.safe_load(texts(given)[path])


def test_the_folder_is_laid_out_as_grafana_looks_for_it() -> None:
    assert list(texts(parcel())) == [
        "dashboards/qala.yaml",
        "dashboards/qala/city.json",
        "dashboards/qala/site.json",
        "datasources/qala.yaml",
        "alerting/qala.yaml",
        "alerting/qala-contact.yaml.example",
    ]


def test_the_provider_points_at_the_boards_where_grafana_sees_them() -> None:
    files = provisioning_files(parcel(), PurePosixPath("/srv/grafana"))
    content = yaml.safe_load(files[0].text)
    assert content["apiVersion"] == 1
    (provider,) = content["providers"]
    assert set(provider) <= PROVIDER
    assert provider["type"] == "file"
    assert (provider["folder"], provider["folderUid"]) == ("Qala", "qala")
    boards = [file.path for file in files if file.path.suffix == ".json"]
    assert {PurePosixPath("/srv/grafana") / path.parent for path in boards} == {
        PurePosixPath(provider["options"]["path"])
    }


def test_boards_are_written_as_they_are_published() -> None:
    written = texts(parcel())
    assert json.loads(written["dashboards/qala/site.json"]) == BOARDS["site.json"]
    assert "„Süd“" in written["dashboards/qala/site.json"]


def test_the_data_source_without_a_token_has_no_header() -> None:
    content = read(parcel(url="http://influx:8086", database="city"), "datasources/qala.yaml")
    (source,) = content["datasources"]
    assert set(source) <= SOURCE
    assert set(source["jsonData"]) <= JSON_DATA
    assert (source["type"], source["uid"]) == ("influxdb", "qala-influxdb")
    assert (source["url"], source["jsonData"]["dbName"]) == ("http://influx:8086", "city")
    assert "secureJsonData" not in source


@pytest.mark.parametrize("token", ["a-token-of-2-x==", "user:password"])
def test_a_token_is_only_the_name_of_a_variable(token: str) -> None:
    given = parcel(token=SecretStr(token))
    (source,) = read(given, "datasources/qala.yaml")["datasources"]
    assert source["jsonData"]["httpHeaderName1"] == "Authorization"
    assert source["secureJsonData"] == {"httpHeaderValue1": "Token $QALA_INFLUX_TOKEN"}
    assert token not in str(texts(given))


def test_a_private_authority_goes_along_with_the_data_source(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----\nAA==\n", encoding="utf-8")
    given = parcel(url="https://influx:8086", ca=authority)
    (source,) = read(given, "datasources/qala.yaml")["datasources"]
    assert source["jsonData"]["tlsAuthWithCACert"] is True
    assert source["secureJsonData"]["tlsCACert"] == authority.read_text(encoding="utf-8")
    authority.unlink()
    with pytest.raises(DeliverError, match=r"ca\.pem, cannot be read"):
        provisioning_files(given)


def test_alert_rules_have_the_documented_form() -> None:
    content = read(parcel(), "alerting/qala.yaml")
    assert content["apiVersion"] == 1
    (group,) = content["groups"]
    assert set(group) <= GROUP
    assert re.fullmatch(r"\d+s", group["interval"])
    assert int(group["interval"][:-1]) % 10 == 0, "Grafana evaluates in steps of 10 s"
    for rule in group["rules"]:
        assert set(rule) <= RULE
        assert re.fullmatch(r"\d+s", rule["for"])
        assert len(rule["uid"]) <= 40
        assert rule["noDataState"] in {"NoData", "Alerting", "OK"}
        assert rule["execErrState"] in {"Error", "Alerting", "OK"}
        assert rule["condition"] in {query["refId"] for query in rule["data"]}
        for query in rule["data"]:
            assert set(query) <= QUERY
            assert query["model"]["refId"] == query["refId"]


def test_file_and_api_have_the_same_rules() -> None:
    in_file = read(parcel(), "alerting/qala.yaml")["groups"][0]["rules"]
    own = {"orgID", "folderUID", "ruleGroup"}
    by_api = [
        {name: value for name, value in rule.items() if name not in own}
        for rule in rule_group()["rules"]
    ]
    assert in_file == by_api


def test_no_text_that_grafana_expands_holds_a_dollar_sign_but_the_token() -> None:
    found = []
    for file in provisioning_files(parcel(token=SecretStr("t"))):
        if file.path.suffix == ".yaml":
            found += [text for text in expanded(yaml.safe_load(file.text)) if "$" in text]
    assert found == ["Token $QALA_INFLUX_TOKEN"]


def expanded(value: Any) -> list[str]:
    """All strings but those of a query's model, which Grafana takes as they are."""
    if isinstance(value, dict):
        return [t for key, inner in value.items() if key != "model" for t in expanded(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in expanded(inner)]
    return [value] if isinstance(value, str) else []


def test_the_example_of_a_contact_is_documented_yaml_that_finds_our_rules() -> None:
    content = read(parcel(), "alerting/qala-contact.yaml.example")
    (contact,) = content["contactPoints"]
    (policy,) = content["policies"]
    (route,) = policy["routes"]
    assert set(contact) <= CONTACT
    assert set(policy) <= POLICY
    assert route["receiver"] == contact["name"]
    (matcher,) = route["object_matchers"]
    for rule in rule_group()["rules"]:
        assert [*matcher] == ["service", "=", rule["labels"]["service"]]


def test_every_rule_has_a_heading_in_its_runbook() -> None:
    root = Path(__file__).parents[3]
    for rule in rule_group()["rules"]:
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        text = (root / page).read_text(encoding="utf-8")
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert anchor in [heading.lower().replace(" ", "-") for heading in headings]
    assert len({rule.uid for rule in GRAFANA_RULES}) == len(GRAFANA_RULES)


def test_writing_again_changes_nothing_and_removes_boards_that_are_gone(tmp_path: Path) -> None:
    files = provisioning_files(parcel())
    assert {done.action for done in write_files(files, tmp_path)} == {"made"}
    stranger = tmp_path / "dashboards" / "theirs.json"
    stranger.write_text("{}", encoding="utf-8")
    assert {done.action for done in write_files(files, tmp_path)} == {"unchanged"}
    fewer = provisioning_files(parcel({"city.json": {**BOARDS["city.json"], "title": "New"}}))
    done = {done.path.name: done.action for done in write_files(fewer, tmp_path)}
    assert (done["city.json"], done["site.json"]) == ("changed", "removed")
    assert not (tmp_path / "dashboards" / "qala" / "site.json").exists()
    assert stranger.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "dashboards").write_text("a file", encoding="utf-8")
    with pytest.raises(DeliverError, match=r"dashboards.* cannot be written .*--out"):
        write_files(provisioning_files(parcel()), tmp_path)
