"""The linter of published boards: nothing in them as they are, and each planted fault is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from dashboards.lint import Finding, lint
from dashboards.lint.queries import leaves
from dashboards.publish import PUBLISHED

TEXTS = {path.stem: path.read_bytes() for path in PUBLISHED.glob("*.json")}
Plant = Callable[[dict[str, Any]], None]


def published() -> dict[str, Any]:
    return {name: msgspec.json.decode(text) for name, text in TEXTS.items()}


def faulty(plant: Plant) -> list[Finding]:
    boards = published()
    plant(boards)
    return lint(boards)


def panel(boards: dict[str, Any], uid: str, title: str) -> Any:
    panels = boards[uid]["panels"]
    return next(each for each in panels if each["title"] == title and each["type"] != "row")


def city(title: str) -> Callable[[dict[str, Any]], Any]:
    return lambda boards: panel(boards, "qala-city", title)


SITES, READINGS, FLOW, EVENTS = (
    city("Sites"),
    city("Readings"),
    city("Through entrances"),
    lambda boards: panel(boards, "qala-alerts", "What happened"),
)


def replace(found: Any, index: int, key: str, old: str, new: str) -> None:
    text = found["targets"][index][key]
    assert old in text
    found["targets"][index][key] = text.replace(old, new)


def last_link(boards: dict[str, Any]) -> dict[str, Any]:
    link: dict[str, Any] = boards["qala-city"]["links"][-1]
    return link


def row_link(boards: dict[str, Any]) -> dict[str, Any]:
    for override in SITES(boards)["fieldConfig"]["overrides"]:
        for look in override["properties"]:
            if look["id"] == "links":
                link: dict[str, Any] = look["value"][0]
                return link
    raise AssertionError("the table of sites has no links")


def device_link(boards: dict[str, Any]) -> dict[str, Any]:
    for override in panel(boards, "qala-quality", "Devices")["fieldConfig"]["overrides"]:
        for look in override["properties"]:
            if look["id"] == "links":
                link: dict[str, Any] = look["value"][0]
                return link
    raise AssertionError("the table of devices has no links")


def window_variable(board: dict[str, Any]) -> dict[str, Any]:
    variables = board["templating"]["list"]
    window: dict[str, Any] = next(each for each in variables if each["name"] == "window")
    return window


def unmask(boards: dict[str, Any]) -> None:
    for target in READINGS(boards)["targets"]:
        target["hide"] = target["refId"] != "readings_per_second_asked"


def plain_expression(boards: dict[str, Any]) -> None:
    for target in READINGS(boards)["targets"]:
        if target["refId"] == "readings_per_second":
            target["expression"] = "$readings_per_second_last"


def slow_liveness(boards: dict[str, Any]) -> None:
    for target in READINGS(boards)["targets"]:
        if target["refId"] == "live_streams_asked":
            target["query"] = target["query"].replace("now() - 10s", "now() - 10m")


def endless_liveness(boards: dict[str, Any]) -> None:
    for target in READINGS(boards)["targets"]:
        if target["refId"] == "live_streams_asked":
            target["query"] = target["query"].replace(" AND time <= now() + 5s", "")


def masked_by_itself(boards: dict[str, Any]) -> None:
    for target in READINGS(boards)["targets"]:
        if target["refId"] == "readings_per_second":
            target["expression"] = target["expression"].replace(
                "$live_streams", "$readings_per_second_last"
            )


def speechless(boards: dict[str, Any]) -> None:
    for override in SITES(boards)["fieldConfig"]["overrides"]:
        for look in override["properties"]:
            if look["id"] == "mappings":
                look["value"] = [word for word in look["value"] if word["type"] != "special"]


def vouched_by_another(boards: dict[str, Any]) -> None:
    """A value of raw readings, vouched for by the worker."""
    for target in panel(boards, "qala-streets", "People in view")["targets"]:
        if target["refId"] == "live_sink_influx_asked":
            target["query"] = target["query"].replace("'sink-influx'", "'streams'")


def drop(uid: str, kept: Callable[[dict[str, Any]], bool]) -> Plant:
    """Leave out of a board the panels that are not ``kept``."""
    return lambda boards: boards[uid].update(
        panels=[each for each in boards[uid]["panels"] if kept(each)]
    )


def strip_of(boards: dict[str, Any], uid: str, title: str) -> dict[str, Any]:
    panels = boards[uid]["panels"]
    found: dict[str, Any] = panels[panels.index(panel(boards, uid, title)) + 1]
    return found


def unmarked(uid: str, name: str) -> Plant:
    def plant(boards: dict[str, Any]) -> None:
        marks = boards[uid]["annotations"]["list"]
        marks[:] = [mark for mark in marks if mark["name"] != name]

    return plant


def without_links(boards: dict[str, Any]) -> None:
    for override in SITES(boards)["fieldConfig"]["overrides"]:
        override["properties"] = [look for look in override["properties"] if look["id"] != "links"]


def ozone(boards: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = panel(boards, "qala-site", "Ozone")["fieldConfig"]["defaults"]
    return found


def means_only(boards: dict[str, Any]) -> None:
    made = panel(boards, "qala-site", "Ozone")
    del made["targets"][1], made["fieldConfig"]["overrides"][1]


def on_top(boards: dict[str, Any]) -> None:
    SITES(boards)["gridPos"]["y"] -= 1


PLANTED: dict[str, tuple[str, Plant]] = {
    "a variable that is not there": (
        "variable-undefined",
        lambda b: replace(FLOW(b), 0, "query", "${site:regex}", "${street:regex}"),
    ),
    "a variable of an interval that is not there": (
        "variable-undefined",
        lambda b: FLOW(b).update(interval="${step}"),
    ),
    "a variable that no query uses": (
        "variable-unused",
        lambda b: b["qala-pipeline"].update(
            templating={"list": [{"name": "x", "type": "textbox"}]}
        ),
    ),
    "a variable in a form that Grafana chooses": (
        "variable-form",
        lambda b: replace(FLOW(b), 0, "query", "${site:regex}", "$site"),
    ),
    "a panel without description": ("description", lambda b: FLOW(b).pop("description")),
    "a panel without unit": ("unit", lambda b: FLOW(b)["fieldConfig"]["defaults"].pop("unit")),
    "a figure in the legend of a history": (
        "legend",
        lambda b: FLOW(b)["options"]["legend"].update(calcs=["last"]),
    ),
    "two panels with one id": ("ids", lambda b: SITES(b).update(id=1)),
    "a panel over another": ("grid", on_top),
    "a panel beyond the edge": ("grid", lambda b: SITES(b)["gridPos"].update(w=25)),
    "a link to nowhere": (
        "link",
        lambda b: last_link(b).update(url="/d/qala-cities?from=now-6h&to=now"),
    ),
    "a link elsewhere": ("link", lambda b: last_link(b).update(url="https://example.com/")),
    "a menu of nothing": ("link", lambda b: b["qala-city"]["links"][0].update(tags=["none"])),
    "a menu that drops the range": (
        "link",
        lambda b: b["qala-city"]["links"][0].update(keepTime=False),
    ),
    "a link that leaves a variable out": (
        "link-variables",
        lambda b: row_link(b).update(url="/d/qala-site?var-window=1m&${__url_time_range}"),
    ),
    "a link with a variable that its board has not": (
        "link-variables",
        lambda b: row_link(b).update(url=row_link(b)["url"].replace("var-site", "var-stop")),
    ),
    "a link that reads a variable which is not there": (
        "link-variables",
        lambda b: row_link(b).update(url=row_link(b)["url"].replace("${window}", "${width}")),
    ),
    "a link that drops the range": (
        "link-time",
        lambda b: row_link(b).update(url=row_link(b)["url"].replace("&${__url_time_range}", "")),
    ),
    "a menu that carries 30 days to windows of 10 s": (
        "link-window",
        lambda b: window_variable(b["qala-city"])["current"].update(value="10s"),
    ),
    "a row that carries 30 days to windows of 10 s": (
        "link-window",
        lambda b: device_link(b).update(url=device_link(b)["url"].replace("=1m", "=10s")),
    ),
    "a link of a column that no row has": (
        "link-column",
        lambda b: row_link(b).update(url=row_link(b)["url"].replace("fields.site", "fields.stop")),
    ),
    "a history without bounds": (
        "bounded",
        lambda b: replace(FLOW(b), 0, "query", "$timeFilter", "true"),
    ),
    "a current value without bounds": (
        "bounded",
        lambda b: replace(SITES(b), 0, "query", "time > now() - 7d", "true"),
    ),
    "a history without intervals": (
        "interval",
        lambda b: replace(FLOW(b), 0, "query", "time($__interval)", "time(10s)"),
    ),
    "intervals shorter than the window": ("interval", lambda b: FLOW(b).update(interval="1s")),
    "points without limit": ("interval", lambda b: FLOW(b).pop("maxDataPoints")),
    "a window in another's policy": (
        "policy",
        lambda b: replace(FLOW(b), 0, "query", '"r${window:raw}"."', '"r1h"."'),
    ),
    "raw readings over two years": (
        "policy",
        lambda b: replace(
            FLOW(b), 0, "query", '"r${window:raw}"."throughput_${window:raw}"', '"raw"."air"'
        ),
    ),
    "windows of 10 s over 90 days": (
        "policy",
        lambda b: last_link(b).update(
            url=last_link(b)["url"].replace("var-window=1h", "var-window=10s")
        ),
    ),
    "a board that opens with more than is kept": (
        "policy",
        lambda b: b["qala-city"]["time"].update({"from": "now-730d"}),
    ),
    "a measurement without a policy": (
        "policy",
        lambda b: replace(EVENTS(b), 0, "query", '"r1h"."alert"', "alert"),
    ),
    "a current value as it comes": ("mask", unmask),
    "a current value without a mask": ("mask", plain_expression),
    "a mask that lets ten minutes pass": ("mask", slow_liveness),
    "a liveness that takes rows of the future": ("mask", endless_liveness),
    "a mask that is no liveness": ("mask", masked_by_itself),
    "a masked value without a word": ("mask", speechless),
    "a reading that the worker vouches for": ("mask-stage", vouched_by_another),
    "a window that the sink vouches for": (
        "mask-stage",
        lambda b: [
            target.update(query=target["query"].replace("'streams'", "'sink-influx'"))
            for target in READINGS(b)["targets"]
            if target["refId"] == "live_streams_asked"
        ],
    ),
    "a value without an age": ("age", drop("qala-city", lambda each: each.get("title") != "")),
    "an age of something else": (
        "age",
        lambda b: strip_of(b, "qala-city", "People in view").update(
            targets=strip_of(b, "qala-city", "Readings")["targets"]
        ),
    ),
    "rows without an age": (
        "age",
        lambda b: SITES(b)["transformations"][-1]["options"]["excludeByName"].update(Time=True),
    ),
    "simulated data without a mark": ("marks", unmarked("qala-pipeline", "Simulated data")),
    "a mark that is switched off": (
        "marks",
        lambda b: b["qala-city"]["annotations"]["list"][-1].update(enable=False),
    ),
    "histories without marks of alerts": ("marks", unmarked("qala-city", "Alerts")),
    "rows that lead nowhere": ("row-link", without_links),
    "a history without the limit of its rule": (
        "limits",
        lambda b: ozone(b)["thresholds"]["steps"].pop(),
    ),
    "a limit that is not drawn": ("limits", lambda b: ozone(b)["custom"].pop("thresholdsStyle")),
    "a limit under which only means are drawn": ("compared", means_only),
    "a tile that says nothing where nothing is": (
        "mask",
        lambda b: READINGS(b)["fieldConfig"]["defaults"].pop("noValue"),
    ),
    "an age that shows its value": (
        "mask",
        lambda b: b["qala-city"]["panels"][2]["options"]["reduceOptions"].update(fields=""),
    ),
    "a table that shows what found its rows": (
        "mask",
        lambda b: SITES(b)["transformations"][-1]["options"].update(excludeByName={}),
    ),
    "an expression of a query that is not there": (
        "refs",
        lambda b: replace(READINGS(b), 1, "expression", "_asked", "_said"),
    ),
    "two queries of one name": (
        "refs",
        lambda b: READINGS(b)["targets"].append(READINGS(b)["targets"][0]),
    ),
    "a look of a query that is not there": (
        "refs",
        lambda b: READINGS(b)["fieldConfig"]["overrides"][0]["matcher"].update(options="gone"),
    ),
    "another data source": (
        "datasource",
        lambda b: FLOW(b)["targets"][0]["datasource"].update(uid="other"),
    ),
}


def test_published_boards_have_no_finding():
    assert lint(published()) == []


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_fault_is_found(fault: str):
    rule, plant = PLANTED[fault]
    found = faulty(plant)
    assert rule in {finding.rule for finding in found}


def test_finding_names_board_panel_and_rule():
    (found,) = faulty(lambda boards: FLOW(boards).pop("description"))
    assert str(found).startswith("qala-city, panel ")
    assert "'Through entrances': says nothing of what it shows [description]" in str(found)


def test_each_source_of_a_nested_query_is_seen_with_its_own_bounds():
    query = (
        'SELECT sum("n") FROM (SELECT 0 * last("a") FROM "raw"."air" WHERE "x" =~ /^(a|b)$/ '
        'AND time > now() - 2h GROUP BY "site"), (SELECT last("a") FROM "r10s"."air_10s", '
        '"raw"."scene" WHERE $timeFilter) GROUP BY "site"'
    )
    assert [tuple(leaf) for leaf in leaves(query)] == [
        ("raw", "air", False, 7200),
        ("r10s", "air_10s", True, None),
        ("raw", "scene", True, None),
    ]
