"""Boards as Grafana's JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from dashboards import DashboardError, build_all, read_limits, shipped_rules
from dashboards.grafana import DATASOURCE_UID, dashboard
from dashboards.grafana.fields import unit_id
from dashboards.grafana.queries import masked
from dashboards.model import Stat, Table, Text
from dashboards.publish import PUBLISHED, documents, main
from schemas.measurements import fields_of
from schemas.readings import READING_STRUCTS

LIMITS = read_limits(shipped_rules())
BOARDS = build_all(LIMITS)
JSON = {board.uid: dashboard(board, BOARDS) for board in BOARDS}


def panel(uid: str, title: str, kind: str = ""):
    return next(
        panel
        for panel in JSON[uid]["panels"]
        if panel["title"] == title and panel["type"] != "row" and kind in panel["type"]
    )


def target(made, ref_id: str):
    return next(target for target in made["targets"] if target["refId"] == ref_id)


def look(made, name: str, what: str):
    override = next(
        override
        for override in made["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == name
    )
    return next(each["value"] for each in override["properties"] if each["id"] == what)


def test_published_boards_are_those_of_the_code():
    """Write them again with ``python -m dashboards.publish``."""
    published = {path.name: path.read_text("utf-8") for path in PUBLISHED.glob("*.json")}
    assert published == documents(LIMITS)


def test_what_a_rule_compares_is_thinner_than_the_mean_that_it_is_beside():
    made = panel("qala-site", "Ozone", "timeseries")
    mean, highest = "air_ozone_ugm3_mean_over_time", "air_ozone_ugm3_max_over_time"
    assert look(made, highest, "custom.lineWidth") < look(made, mean, "custom.lineWidth")
    assert target(made, mean)["alias"].startswith("Ozone, mean ")
    assert target(made, highest)["alias"].startswith("Ozone, highest ")


def test_each_value_of_a_device_has_the_limit_of_its_rule():
    made = panel("qala-device", "What it measures", "timeseries")
    ozone, humidity = "air_ozone_ugm3_mean_over_time", "temperature_humidity_pct_mean_over_time"
    steps = look(made, ozone, "thresholds")["steps"]
    assert [step["value"] for step in steps] == [None, math.nextafter(100, math.inf)]
    assert look(made, ozone, "custom.thresholdsStyle") == {"mode": "dashed"}
    with pytest.raises(StopIteration):
        look(made, humidity, "custom.thresholdsStyle")


def test_publishing_removes_boards_that_are_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr("dashboards.publish.PUBLISHED", tmp_path)
    (tmp_path / "qala-gone.json").write_text("{}")
    main()
    assert {path.name for path in tmp_path.iterdir()} == set(documents(LIMITS))


def test_same_boards_give_the_same_text():
    assert documents(LIMITS) == documents(read_limits(shipped_rules()))


def test_all_is_of_one_schema_version_and_data_source():
    assert len({made["schemaVersion"] for made in JSON.values()}) == 1
    assert DATASOURCE_UID in json.dumps(JSON["qala-city"]["templating"])


def test_every_unit_of_a_reading_is_known():
    for reading_type in READING_STRUCTS:
        for field in fields_of(reading_type):
            assert unit_id(field.unit)


def test_unit_that_nobody_has_thought_of_is_an_error():
    with pytest.raises(KeyError):
        unit_id("furlong")


def test_current_value_is_hidden_and_only_its_masked_form_is_seen():
    made = panel("qala-city", "Readings")
    assert [each["refId"] for each in made["targets"] if not each.get("hide")] == [
        "readings_per_second"
    ]
    assert target(made, "readings_per_second")["expression"] == (
        "$readings_per_second_last + 0 / ($live_streams > 0.999)"
    )
    assert target(made, "readings_per_second_last")["reducer"] == "last"
    assert "now() - 10s" in target(made, "live_streams_asked")["query"]


def test_value_that_nothing_vouches_for_is_never_shown_as_current():
    board = next(board for board in BOARDS if board.uid == "qala-city")
    tile = next(each for each in board.panels if isinstance(each, Stat))
    loose = replace(tile.values[0], signal=replace(tile.values[0].signal, liveness=None))
    with pytest.raises(DashboardError, match="nothing vouches for it; give it a liveness"):
        list(masked([loose]))


def test_raw_readings_and_results_are_masked_by_what_they_depend_on():
    made = panel("qala-streets", "Cameras")
    assert "$live_sink_influx" in target(made, "scene_people")["expression"]
    assert "$live_streams" in target(made, "tampered")["expression"]


def test_masked_value_reads_unknown_and_missing_cell_reads_as_no_data():
    tile = panel("qala-city", "Readings")
    assert tile["fieldConfig"]["defaults"]["noValue"] == "unknown"
    words = look(panel("qala-streets", "Cameras"), "scene_people", "mappings")
    assert [(each["options"]["match"], each["options"]["result"]["text"]) for each in words] == [
        ("null", "–"),
        ("nan", "unknown"),
    ]


def test_words_stand_before_what_is_said_of_missing_values():
    words = look(panel("qala-site", "Devices", "table"), "state", "mappings")
    texts = [result["text"] for word in words[:-2] for result in word["options"].values()]
    assert texts == ["online", "stale", "offline", "never seen"]
    assert [word["type"] for word in words[-2:]] == ["special", "special"]


def test_limit_of_a_rule_is_a_dashed_line():
    made = panel("qala-ionizers", "Ozone, highest")
    steps = made["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert steps == [
        {"color": "green", "value": None},
        {"color": "red", "value": math.nextafter(100, math.inf)},
    ]
    assert made["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] == {"mode": "dashed"}


def test_history_asks_no_finer_than_its_windows():
    made = panel("qala-ionizers", "Ozone, highest")
    assert made["interval"] == "${window}"
    assert panel("qala-pipeline", "Lag", "timeseries")["interval"] == "10s"


def test_age_of_a_value_is_the_strip_under_it():
    for board in BOARDS:
        tiles = [made for made in JSON[board.uid]["panels"] if made["type"] == "stat"]
        stats = [each for each in board.panels if isinstance(each, Stat)]
        assert len(tiles) == 2 * len(stats)
        for value, age in zip(tiles[::2], tiles[1::2], strict=True):
            assert age["options"]["reduceOptions"]["fields"] == "Time"
            assert age["gridPos"]["y"] == value["gridPos"]["y"] + value["gridPos"]["h"]
            assert age["gridPos"]["x"] == value["gridPos"]["x"]


def test_table_shows_tags_age_and_values_and_not_what_its_rows_were_found_by():
    made = panel("qala-thermometers", "Thermometers")
    organize = made["transformations"][-1]["options"]
    assert organize["excludeByName"] == {"Value": True, "value": True}
    assert sorted(organize["indexByName"], key=organize["indexByName"].get) == [
        *("site", "device", "subject", "Time", "temperature_celsius"),
        "temperature_humidity_pct",
    ]


def test_row_leads_on_with_its_own_values_and_range():
    links = look(panel("qala-city", "Sites"), "site", "links")
    assert links[0]["url"] == (
        "/d/qala-site?var-site=${__data.fields.site}&var-window=${window}&${__url_time_range}"
    )


def test_board_without_windows_hands_on_one_that_fits():
    links = look(panel("qala-quality", "Devices"), "device", "links")
    assert "&var-window=1m&" in links[0]["url"]


def test_range_and_window_are_set_together():
    urls = [link["url"] for link in JSON["qala-city"]["links"] if link["type"] == "link"]
    assert urls[2] == "/d/qala-city?from=now-7d&to=now&var-window=1m&${site:queryparam}"


def test_one_site_has_no_choice_of_all():
    site, device, window = JSON["qala-site"]["templating"]["list"]
    assert (site["multi"], site["includeAll"], "allValue" in site) == (False, False, False)
    assert (device["multi"], device["includeAll"], device["allValue"]) == (True, True, ".*")
    assert [option["value"] for option in window["options"]] == ["10s", "1m", "1h"]
    assert window["current"]["value"] == "1m"
    assert "10s for 7 days, 1m for 365 days, 1h for ever" in window["description"]


def test_alerts_are_marked_where_they_began_to_fire():
    marks, _ = JSON["qala-city"]["annotations"]["list"]
    assert marks["target"]["textColumn"] == "summary"
    assert "'firing'" in marks["target"]["query"]


def test_simulated_history_is_marked_on_every_board():
    for made in JSON.values():
        marks = made["annotations"]["list"][-1]
        assert (marks["name"], marks["enable"]) == ("Simulated data", True)
        assert '"r1h"."simulated"' in marks["target"]["query"]
        assert "\"firmware\" = 'simulated'" in marks["target"]["query"]
        assert f'AS "{marks["target"]["textColumn"]}"' in marks["target"]["query"]


def test_each_value_of_a_tile_has_its_own_age_by_its_name():
    def strip(board: str, title: str) -> dict[str, Any]:
        made = JSON[board]["panels"]
        place = next(at for at, each in enumerate(made) if each.get("title") == title)
        return made[place + 1]

    stops = strip("qala-ionizers", "Without a mask")
    assert stops["fieldConfig"]["defaults"]["displayName"] == "${__series.name}"
    assert [each["alias"] for each in stops["targets"]] == ["$tag_site · $tag_device"]
    alerts = strip("qala-city", "Alerts firing")
    assert [each["alias"] for each in alerts["targets"]] == ["Critical", "Warning", "Info"]
    people = strip("qala-streets", "People in view")
    assert [each.get("alias") for each in people["targets"]] == [None]
    assert "displayName" not in people["fieldConfig"]["defaults"]


def test_bars_of_hours_stand_over_their_hour():
    made = panel("qala-desks", "Steps of tickets")
    assert made["interval"] == "1h"
    custom = made["fieldConfig"]["defaults"]["custom"]
    assert (custom["drawStyle"], custom["barAlignment"]) == ("bars", 1)
    assert custom["stacking"]["mode"] == "normal"


def test_every_panel_of_ours_is_in_grafana():
    for board in BOARDS:
        titles = [made.get("title") for made in JSON[board.uid]["panels"]]
        for each in board.panels:
            assert each.title in titles
            if isinstance(each, Table):
                assert panel(board.uid, each.title, "table")["targets"]
            if isinstance(each, Text):
                texts = [made for made in JSON[board.uid]["panels"] if made["type"] == "text"]
                assert each.markdown in [made["options"]["content"] for made in texts]
