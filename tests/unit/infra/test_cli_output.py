"""What commands tell: tables of the house, JSON, words and progress."""

from __future__ import annotations

import asyncio
import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from infra.cli import look_devices
from infra.cli.entry import run
from infra.cli.run_past import ProgressLines
from infra.errors import LookupFailedError
from infra.settings_sources import unknown_variables
from infra.simulator import SimulatorSettings, parse_faults
from infra.simulator.city import describe
from infra.topic_reader import last_by_key
from infra.verify.report import Report
from infra.worker_clocks import WorkerClocks
from schemas.connections import KafkaConnection
from schemas.errors import ServerAccessError
from schemas.records import DeviceRecord, encode
from schemas.topics import partition_of

pytestmark = pytest.mark.usefixtures("alone")


def test_config_prints_json_with_where_each_setting_came_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QALA_PERSON_KEY", "a-secret-that-nobody-may-ever-read")
    assert run(["config", "--json"]) == 0
    out = capsys.readouterr().out
    rows = {row["name"]: row for row in json.loads(out)}
    assert rows["person.key"]["source"] == "environment"
    assert rows["data"] == {
        "name": "data", "value": ".qala", "source": "default", "variable": "QALA_DATA",
    }  # fmt: skip
    assert "a-secret" not in out


def test_rules_check_says_what_is_wrong_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    Path("wrong.toml").write_text('[[rule]]\nid = "x"\nfor = "90x"\n', encoding="utf-8")
    assert run(["rules", "check", "wrong.toml"]) == 1
    out, err = capsys.readouterr()
    assert "90x" in out
    assert err.count("\n") == 1
    assert run(["rules", "check"]) == 0


@pytest.mark.parametrize("columns", [60, 80])
def test_columns_says_how_wide_a_table_is_also_where_it_is_piped(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run(["rules", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert columns - 25 < max(map(len, lines)) <= columns


@pytest.mark.parametrize("columns", [None, "0", "1", "wide"])
def test_without_columns_that_say_a_width_a_pipe_is_given_whole_tables(
    columns: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if columns is None:
        monkeypatch.delenv("COLUMNS")
    else:
        monkeypatch.setenv("COLUMNS", columns)
    assert run(["rules", "list"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) > 80
    assert "not shown" not in out


def test_the_shipped_rules_are_listed_in_100_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("ozone-high ") and "critical" in line for line in lines)
    assert max(map(len, lines)) <= 100
    assert run(["rules", "list", "--json"]) == 0
    assert "ozone-high" in [rule["id"] for rule in json.loads(capsys.readouterr().out)]


def test_devices_are_listed_with_those_in_trouble_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = DeviceRecord(
        site="stop-1", kind="ionizer", device="i-1", state="online", since=0, heard=1000,
        interval_ms=5000, readings=12_345, wrong_clock=True,
    )  # fmt: skip
    lost = DeviceRecord(site="stop-2", kind="ionizer", device="i-2", state="offline", since=0)

    async def stored(*_: object) -> dict[bytes, bytes]:
        return {b"1": encode(device), b"2": encode(lost), b"3": b"not a record"}

    told_ms = {partition_of("stop-1", 8): 33_000, partition_of("stop-2", 8): 40_000}

    async def said(*_: object) -> WorkerClocks:
        return WorkerClocks(8, told_ms)

    monkeypatch.setattr(look_devices, "last_by_key", stored)
    monkeypatch.setattr(look_devices, "worker_clocks", said)
    look_devices.list_devices(None, None, data=None, as_json=False, now_s=43)
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["site", "device", "kind", "state"]
    assert "○ offline" in first
    assert "never" in first
    assert "42 s ago" in second
    assert "12 345" in second
    assert "wrong clock" in second
    look_devices.list_devices("stop-2", None, data=None, as_json=True, now_s=43)
    assert [d["device"] for d in json.loads(capsys.readouterr().out)] == ["i-2"]
    look_devices.list_devices("stop-9", None, data=None, as_json=False, now_s=43)
    assert capsys.readouterr().out.strip() == "no device like that"
    # ten seconds later nothing is known of what is in its partition, whatever it was
    look_devices.list_devices(None, None, data=None, as_json=False, now_s=45)
    first, second = capsys.readouterr().out.splitlines()[1:3]
    assert "○ offline" in second
    assert "? unknown" in first
    assert "was online, wrong clock" in first
    look_devices.list_devices(None, "unknown", data=None, as_json=True, now_s=45)
    (unknown,) = json.loads(capsys.readouterr().out)
    assert (unknown["state"], unknown["last_state"]) == ("unknown", "online")


def test_config_says_that_a_key_is_refused_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QALA_PERSON_KEY", "short")
    assert run(["config"]) == 1
    out, err = capsys.readouterr()
    assert "refused: too weak" in next(line for line in out.splitlines() if "person.key" in line)
    assert err.startswith("qala: the key for persons' ids")
    assert "short" not in out + err
    assert run(["config", "--json"]) == 1
    json.loads(capsys.readouterr().out)


def test_only_what_is_close_is_suggested_for_an_unknown_variable() -> None:
    found = unknown_variables({"QALA_FOO": "1", "QALA_INFLUX_ULR": "x", "QALA_CHAT_URL": "y"})
    assert found["QALA_FOO"] == "it sets nothing; `qala config` lists what does"
    assert found["QALA_INFLUX_ULR"] == "did you mean QALA_INFLUX_URL?"
    assert found["QALA_CHAT_URL"] == "did you mean QALA_CHAT_URLS?"


def test_a_verification_is_a_table_of_the_house() -> None:
    report = Report(
        ledger="x", messages=2048, sent=2048, valid_distinct=2048, duplicates=0, malformed=0,
        complete=False, stored=2048,
    )  # fmt: skip
    out = StringIO()
    Console(file=out, width=80).print(report.table())
    assert "2 048" in out.getvalue()
    assert "\u2502" not in out.getvalue()
    assert report.title() == "simulated run: all is well; the ledger was cut off"


def test_a_simulated_city_is_described_in_words() -> None:
    told = describe(SimulatorSettings(faults=parse_faults("late=0.5%,wrong_clock=1%")))
    assert told.endswith("seed 1, faults: late 0.5 %, wrong clock 1 %")
    assert describe(SimulatorSettings()).endswith("seed 1, no faults")


def test_a_past_written_without_a_terminal_tells_its_progress_every_ten_seconds() -> None:
    now, lines = [0.0], list[str]()
    progress = ProgressLines(lines.append, lambda: now[0])
    for second in range(0, 31, 5):
        now[0] = float(second)
        progress.told(second / 100)
    assert lines == [
        f"SIMULATED DATA: {share} written after {share[:-1]} s\n" for share in ("10%", "20%", "30%")
    ]


def test_without_a_stack_the_absent_kafka_is_told_with_how_to_name_its_data_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refused(_: object) -> None:
        raise ServerAccessError("Kafka at x cannot be reached")

    monkeypatch.setattr("infra.topic_reader.knock", refused)
    for kafka, named in (
        (KafkaConnection(), True), (KafkaConnection(bootstrap="kafka:1"), False),
    ):  # fmt: skip
        with pytest.raises(LookupFailedError) as caught:
            asyncio.run(last_by_key(kafka, "t"))
        assert ("--data or QALA_DATA" in str(caught.value)) == named
