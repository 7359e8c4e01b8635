"""`qala dashboards`: files, pushing, and what a user is told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards.publish import PUBLISHED
from infra.cli.entry import run
from tests.support.grafana import TOKEN, Script, documented, serving

API = Path(__file__).parents[1] / "dashboards" / "grafana_api.json"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without a file, an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("QALA_"):
            monkeypatch.delenv(name)


@pytest.fixture
def script() -> Script:
    return documented(API)


@pytest.fixture
def url(script: Script) -> Iterator[str]:
    with serving(script) as address:
        yield address


@pytest.mark.parametrize("command", ["", "build", "push", "preview"])
def test_each_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dashboards", *command.split(), "--help"]) == 0
    told = capsys.readouterr().out
    assert "COMMAND" in told or "Example" in told


def test_build_writes_the_folder_and_says_each_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dashboards", "build"]) == 0
    told = capsys.readouterr().out
    assert "/etc/grafana/provisioning" in told
    for name in ("dashboards/qala.yaml", "datasources/qala.yaml", "alerting/qala.yaml"):
        assert f"grafana/{name}" in told
        assert Path("grafana", name).is_file()
    built = Path("grafana/dashboards/qala")
    assert {path.name: path.read_bytes() for path in built.iterdir()} == {
        path.name: path.read_bytes() for path in PUBLISHED.iterdir()
    }


def test_build_draws_the_limits_of_the_rules_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("own.toml").write_text(
        '[[rule]]\nid = "x"\nmeasure = "air.ozone_ugm3"\nabove = 123.5\nsummary = "x"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("QALA_RULES", "own.toml")
    assert run(["dashboards", "build"]) == 0
    board = Path("grafana/dashboards/qala/qala-ionizers.json").read_text(encoding="utf-8")
    assert "123.5" in board
    assert "123.5" not in (PUBLISHED / "qala-ionizers.json").read_text(encoding="utf-8")


def test_build_takes_influxdb_from_the_settings_and_prints_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QALA_INFLUX_URL", "http://influx:8086")
    monkeypatch.setenv("QALA_INFLUX_TOKEN", "in-flux-token")
    assert run(["dashboards", "build", "--out", "there", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"file": "there/datasources/qala.yaml", "action": "made"}.items() <= told[-3].items()
    source = Path("there/datasources/qala.yaml").read_text(encoding="utf-8")
    assert "http://influx:8086" in source
    assert "in-flux-token" not in source


def test_push_tells_each_thing_and_how_many(
    url: str, script: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QALA_GRAFANA_URL", url)
    monkeypatch.setenv("QALA_GRAFANA_TOKEN", TOKEN)
    assert run(["dashboards", "push"]) == 0
    told = capsys.readouterr().out
    boards = [json.loads(path.read_text(encoding="utf-8")) for path in PUBLISHED.iterdir()]
    for board in boards:
        assert f"board: {board['title']}" in told
    assert f"{url}: {3 + len(boards)} made" in told
    assert script.undocumented == []


def test_push_on_the_command_line_wins_over_settings_and_prints_json(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QALA_GRAFANA_URL", "http://127.0.0.1:1")
    assert run(["dashboards", "push", "--url", url, "--token", TOKEN, "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told[0] == {"kind": "folder", "name": "Qala", "action": "made"}


def test_a_failed_push_is_one_line_and_1(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dashboards", "push", "--url", url, "--token", "another"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"qala: Grafana at {url} does not know the token")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments,told",
    [
        (["push", "--url", "grafana:3000"], "write http://host:3000"),
        (["push", "--url", "http://admin:word@grafana:3000"], "QALA_GRAFANA_TOKEN"),
        (["build", "--provisioning", "provisioning"], "is not an absolute path"),
        (["preview", "--range", "soon"], "'soon' is not a range; write for example 30m"),
        (["preview", "--range", "0h"], "'0h' is not a range"),
        (["preview", "--now", "yesterday"], "yesterday"),
    ],
)
def test_wrong_usage_ends_with_2_and_quotes_no_password(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["dashboards", *arguments]) == 2
    err = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert told in err
    assert "word@" not in err


def test_config_shows_where_grafana_is_and_masks_its_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QALA_GRAFANA_TOKEN", "gra-fana-token")
    assert run(["config", "--json"]) == 0
    out = capsys.readouterr().out
    rows = {row["name"]: row for row in json.loads(out)}
    assert rows["grafana.url"]["value"] == "http://127.0.0.1:3000"
    assert rows["grafana.token"]["source"] == "environment"
    assert "gra-fana-token" not in out
