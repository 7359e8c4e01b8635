"""The program `qala` as its users meet it: help, exit codes, one line for a failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from infra.cli.entry import run
from infra.errors import InfraError, is_final, is_known, one_line
from infra.logs import RepeatFilter
from infra.native import free_port
from streams.errors import Problem, RuleError
from tests.support.programs import env

pytestmark = pytest.mark.usefixtures("alone")

COMMANDS = (
    "", "up", "ps", "servers", "servers up", "servers down", "provision", "bridge", "streams",
    "sink", "sink influx", "sink chat", "simulate", "verify", "config", "rules", "rules list",
    "rules check", "devices", "devices list", "dlq", "dlq list", "dlq show", "dlq export",
    "dlq replay",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"]) == 0
    told = capsys.readouterr().out
    assert "Usage: qala" in told
    leads_to_others = "COMMAND" in told
    assert leads_to_others or "Example" in told


def test_help_comes_at_once() -> None:
    code = (
        "import sys; sys.argv = ['qala', '--help']; import infra.cli; "
        "import contextlib\n"
        "with contextlib.suppress(SystemExit): infra.cli.main()\n"
        "heavy = {'faust', 'aiokafka', 'aiohttp', 'pydantic', 'ingest', 'streams', 'sinks'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env()
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    "command",
    [
        "nonsense", "bridge --clock 3", "bridge --adopt north --id 1", "bridge --adopt x --leave",
        "dlq show nowhere", "dlq list --reason nonsense",
        "dlq list --since yesterday", "dlq export", "dlq replay", "dlq replay 3/1 --since 2h",
        "simulate --faults nonsense", "up --port-offset -1", "devices list --state lost", "verify",
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_2(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("qala: ")
    assert err.endswith("--help`\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "command,told",
    [
        ("alerts list --severity bad", "--severity: 'bad' is not one of critical, warning, info"),
        ("alerts list --limit 0", "--limit: '0' can't be used; write 1 or more"),
        ("alerts list --limit x", "--limit: 'x' is not a whole number"),
        ("simulate --ending foo", "--ending: 'foo' is not a time, for example 2026-01-31 or"),
        ("simulate --days 401", "--days: '401' can't be used; write 400"),
        ("alerts list --severty info", "no option --severty; did you mean --severity?"),
        ("alerts list more", "'more' is more than it takes"),
        ("devices list --state", "--state needs a value"),
        ("dlq export", "--out is missing"),
        ("dlq show", "REF is missing"),
        ("dlq list --since 1m --until 1h", "--since 1m is not before --until 1h"),
        ("dlq replay 3/1 --all", "--all is for the lines of a file"),
        ("bridge --id A_B", "'A_B' can't be a bridge's id; write 1 to 63 of a-z, 0-9 and -"),
        ("dashboards preview --board foo", "there is no board 'foo'; there are qala-alerts"),
        ("nonsense", "there is no command 'nonsense'"),
    ],
)
def test_wrong_usage_says_what_to_write_instead(
    command: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command.split()) == 2
    err = capsys.readouterr().err
    assert told in err
    for leak in ("Input should", "Value error", "%Y", "[a-z0-9]", "pydantic"):
        assert leak not in err


def test_a_command_without_words_shows_its_help_and_the_version_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["dlq"]) == 2
    assert "Usage: qala dlq" in capsys.readouterr().out
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("qala ")


@pytest.mark.parametrize(
    "command,told",
    [
        ("dlq list", "cannot be reached (Connection refused); is it running"),
        ("dlq replay 3/1042", "cannot be reached (Connection refused); is it running"),
        ("dlq replay --from nowhere.ndjson", "cannot be reached (Connection refused)"),
        ("devices list", "cannot be reached (Connection refused); is it running"),
        ("rules list nowhere.toml", "nowhere.toml"),
        ("verify nowhere.ndjson", "nowhere.ndjson"),
    ],
)
def test_a_failure_is_one_line_on_stderr_and_1(
    command: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command.split()) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("qala: ")
    assert told in err
    assert err.count("\n") == 1


def test_a_wrong_file_fails_every_command_that_needs_settings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("qala.toml").write_text("[brige]\n", encoding="utf-8")
    for command in ("config", "ps", "up --no-simulator", "bridge"):
        assert run(command.split()) == 1
        assert "did you mean bridge?" in capsys.readouterr().err


def test_an_unexpected_error_is_one_line_and_its_traceback_is_in_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**_: object) -> None:
        raise KeyError("someone's payload")

    monkeypatch.setattr("infra.cli.look_config.show_config", broken)
    assert run(["config"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "KeyError" in err
    assert "payload" not in err
    assert "Traceback" in Path(".qala/logs/errors.log").read_text(encoding="utf-8")


def test_errors_are_told_by_their_package_and_others_by_their_name_only() -> None:
    assert is_known(InfraError("x"))
    assert one_line(KeyError("someone's payload")) == "KeyError"
    problems = [Problem(level="error", file="f", text=text) for text in ("one", "two", "three")]
    assert one_line(RuleError(problems)) == "f: one (and 2 more)"
    assert not is_final(InfraError("x"))


def test_a_library_that_repeats_itself_is_cut_to_a_line_in_ten_seconds() -> None:
    import logging  # noqa: PLC0415 - used here only

    now = [0.0]
    keep = RepeatFilter(lambda: now[0])

    def record(number: int) -> logging.LogRecord:
        return logging.LogRecord("aiokafka", 40, "", 0, "no broker %s", (number,), None)

    assert [keep.filter(record(number)) for number in range(3)] == [True, False, False]
    now[0] = 11.0
    after = record(4)
    assert keep.filter(after)
    assert after.__dict__["left_out"] == 2


def test_a_city_without_a_broker_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QALA_MQTT_URL", f"mqtt://127.0.0.1:{free_port()}")
    assert run(["simulate", "--count", "1"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "cannot be reached (Connection refused)" in err
