"""The program `qala` as its users meet it: exit codes, one line for a failure, tables, JSON."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge
from rich.console import Console

from infra.cli import look_devices
from infra.cli.entry import run
from infra.cli.host import refuse_second_bridge
from infra.cli.look_processes import gather
from infra.cli.run_past import ProgressLines
from infra.doctor.ask_stages import ask_stages
from infra.errors import InfraError, LookupFailedError, is_final, is_known, one_line
from infra.logs import RepeatFilter
from infra.native import free_port
from infra.probe import free_name, serve_probe
from infra.settings_sources import unknown_variables
from infra.simulator import SimulatorSettings, parse_faults
from infra.simulator.city import describe
from infra.supervisor.figures import Rates, flatten
from infra.supervisor.identity import Identity, identify
from infra.supervisor.records import (
    SUPERVISOR,
    ProbeRecord,
    ProcessRecord,
    read_probe,
    run_folder,
    write_record,
)
from infra.topic_reader import last_by_key
from infra.verify.report import Report
from infra.worker_clocks import WorkerClocks
from schemas.connections import KafkaConnection
from schemas.errors import ServerAccessError
from schemas.readiness import Readiness
from schemas.records import DeviceRecord, encode
from schemas.topics import partition_of
from streams.errors import Problem, RuleError

COMMANDS = (
    "", "up", "ps", "servers", "servers up", "servers down", "provision", "bridge", "streams",
    "sink", "sink influx", "sink chat", "simulate", "verify", "config", "rules", "rules list",
    "rules check", "devices", "devices list", "dlq", "dlq list", "dlq show", "dlq export",
    "dlq replay",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without a file, an environment without settings, 100 columns."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("QALA_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("QALA_KAFKA_BOOTSTRAP", f"127.0.0.1:{free_port()}")


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
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_env()
    )
    assert done.stderr.strip() == "[]"


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}


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


def test_a_stage_with_a_weak_key_ends_with_one_line_and_leaves_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "bridge"],
        capture_output=True, text=True, check=False, env={**_env(), "QALA_PERSON_KEY": "weak"},
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("qala: the key for persons' ids")
    assert "Traceback" not in done.stderr
    probe = read_probe(Path(".qala/run"), "bridge")
    assert probe is not None
    assert probe.final
    assert probe.ended is not None
    assert probe.ended in last
    assert probe.at_start


async def test_ps_and_doctor_agree_on_a_stage_that_failed_at_its_start() -> None:
    folder = Path(".qala/run")
    mine = _mine("bridge-2", "z")
    gone = msgspec.structs.replace(
        mine, process=Identity(1, 0, "another boot"), ended="the key is weak", at_start=True
    )
    write_record(folder, gone)
    (shown,) = await gather(folder)
    assert (shown.name, shown.pid, shown.state) == ("bridge-2", None, "failed")
    assert shown.reason == "the key is weak"
    assert [one.ended for one in (await ask_stages(Path(".qala"))).stages] == ["the key is weak"]
    file = folder / "bridge-2.probe.json"
    old_s = time.time() - 660
    os.utime(file, (old_s, old_s))
    assert await gather(folder) == []
    assert (await ask_stages(Path(".qala"))).stages == ()
    later = msgspec.structs.replace(gone, at_start=False)  # it had worked: that stays a matter
    write_record(folder, later)
    os.utime(file, (old_s, old_s))
    assert len(await gather(folder)) == len((await ask_stages(Path(".qala"))).stages) == 1


def test_a_stage_that_is_started_again_forgets_how_it_failed_under_another_name() -> None:
    folder = Path(".qala/run")
    gone = msgspec.structs.replace(
        _mine("bridge-7", "1"), process=Identity(1, 0, "another boot"), ended="x"
    )
    other = msgspec.structs.replace(gone, name="bridge-8", id="y")
    write_record(folder, gone)
    write_record(folder, other)
    subprocess.run(
        [sys.executable, "-m", "infra.cli", "bridge"],
        capture_output=True, check=False, env={**_env(), "QALA_PERSON_KEY": "weak"},
    )  # fmt: skip
    assert read_probe(folder, "bridge-7") is None
    assert read_probe(folder, "bridge-8") == other


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


def test_the_shipped_rules_are_listed_in_100_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("ozone-high ") and "critical" in line for line in lines)
    assert max(map(len, lines)) <= 100
    assert run(["rules", "list", "--json"]) == 0
    assert "ozone-high" in [rule["id"] for rule in json.loads(capsys.readouterr().out)]


def test_ps_of_an_empty_data_folder_says_so_in_words_and_in_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["ps"]) == 0
    assert "nothing runs on" in capsys.readouterr().out
    assert run(["ps", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_ps_shows_a_living_process_and_calls_a_dead_one_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_folder(tmp_path / ".qala")
    me = identify(os.getpid())
    assert me is not None
    gone = subprocess.Popen(["/bin/true"])
    dead = identify(gone.pid)
    gone.wait()
    for name, process in (("kafka", me), ("mosquitto", dead)):
        record = ProcessRecord(
            name=name, state="ready", since=time.time() - 60, restarts=2, process=process,
            address="127.0.0.1:1",
        )  # fmt: skip
        write_record(folder, record)
    assert run(["ps", "--json"]) == 0
    mosquitto, kafka = json.loads(capsys.readouterr().out)
    assert set(kafka) == {"name", "pid", "state", "restarts", "since", "metrics", "reason"}
    assert (kafka["name"], kafka["pid"], kafka["state"]) == ("kafka", os.getpid(), "ready")
    assert kafka["restarts"] == 2
    assert kafka["metrics"]["address"] == "127.0.0.1:1"
    assert kafka["metrics"]["process_resident_memory_bytes"] > 1e6
    assert (mosquitto["name"], mosquitto["pid"], mosquitto["state"]) == (
        "mosquitto", None, "stopped",
    )  # fmt: skip


def _mine(name: str, identity: str = "1") -> ProbeRecord:
    """A record as if this process were the stage ``name``."""
    me = identify(os.getpid())
    assert me is not None
    return ProbeRecord(
        name=name, stage=name.partition("-")[0], id=identity, process=me, port=free_port()
    )


def test_a_second_bridge_with_an_id_in_use_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(Path(".qala/run"), _mine("bridge"))
    assert run(["bridge"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"bridge '1' runs on .qala already (pid {os.getpid()})" in err
    assert "--id north" in err
    refuse_second_bridge(Path(".qala"), "north")
    monkeypatch.setenv("QALA_PROCESS_NAME", "bridge")  # a supervisor's own
    refuse_second_bridge(Path(".qala"), "1")


def test_ps_shows_a_stage_started_by_hand_instead_of_the_one_that_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(".qala/run")
    write_record(folder, ProcessRecord(name="bridge", state="failed", since=0, restarts=3))
    write_record(folder, _mine("bridge"))
    assert run(["ps", "--json"]) == 0
    out, err = capsys.readouterr()
    (shown,) = json.loads(out)
    assert (shown["name"], shown["pid"], shown["state"]) == ("bridge", os.getpid(), "waiting")
    assert err == ""


def test_ps_says_that_nothing_watches_what_a_killed_up_has_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(".qala/run")
    me = _mine("x").process
    write_record(folder, ProcessRecord(name="kafka", state="ready", since=0, process=me))
    assert run(["ps", "--json"]) == 0
    out, err = capsys.readouterr()
    assert [one["name"] for one in json.loads(out)] == ["kafka"]
    assert err.startswith("nothing watches these processes")
    assert err.count("\n") == 1
    write_record(folder, ProcessRecord(name=SUPERVISOR, state="ready", since=0, process=me))
    assert run(["ps"]) == 0
    assert capsys.readouterr().err == ""


def test_a_stage_started_by_hand_is_in_ps_and_a_signal_ends_it_with_0(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "infra.cli", "bridge"], stderr=subprocess.DEVNULL, env=_env()
    ) as stage:
        try:
            deadline = time.monotonic() + 20
            while read_probe(Path(".qala/run"), "bridge") is None:
                assert time.monotonic() < deadline, "the stage has written no record"
                time.sleep(0.05)
            assert run(["ps", "--json"]) == 0
            (shown,) = json.loads(capsys.readouterr().out)
            assert (shown["name"], shown["pid"]) == ("bridge", stage.pid)
            assert shown["state"] == "waiting"  # no broker is there
            assert shown["metrics"]["probe"] > 0
            assert shown["metrics"]["process_cpu_seconds_total"] > 0
            assert free_name(run_folder(Path(".qala")), "bridge") == "bridge-2"
            stage.send_signal(signal.SIGTERM)
            assert stage.wait(20) == 0
        finally:
            stage.kill()
    assert read_probe(Path(".qala/run"), "bridge") is None


def test_servers_down_where_nothing_runs_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["servers", "down"]) == 0
    assert "nothing runs on" in capsys.readouterr().out


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


async def test_a_probe_serves_metrics_and_says_503_with_reasons_until_ready(
    tmp_path: Path,
) -> None:
    import aiohttp  # noqa: PLC0415 - the other tests do without

    registry = CollectorRegistry()
    Counter("qala_bridge_received_total", "x", ["what"], registry=registry).labels("a").inc(3)
    readiness = Readiness("mqtt")
    probing = serve_probe(
        folder=tmp_path, name="bridge-2", stage="bridge", id="2", readiness=readiness,
        registry=registry,
    )  # fmt: skip
    async with probing as record, aiohttp.ClientSession() as session:
        assert read_probe(tmp_path, "bridge-2") == record
        url = f"http://127.0.0.1:{record.port}"
        async with session.get(f"{url}/ready") as answer:
            assert answer.status == 503
            assert await answer.json() == {
                "ready": False, "reasons": {"mqtt": "starting"}, "stage": "bridge", "id": "2",
                "pid": os.getpid(), "notes": {},
            }  # fmt: skip
        readiness.working("mqtt")
        readiness.note("bridge north", "it is away")
        async with session.get(f"{url}/ready") as answer:
            assert answer.status == 200
            assert (await answer.json())["notes"] == {"bridge north": "it is away"}
        async with session.get(f"{url}/metrics") as answer:
            figures = flatten(await answer.text())
    assert figures["qala_bridge_received_total"] == 3
    assert figures["process_resident_memory_bytes"] > 1e6


def test_figures_add_up_labels_but_keep_the_largest_delay() -> None:
    text = (
        "# HELP x\n"
        'qala_a_total{reason="x y"} 2.0\nqala_a_total{reason="z"} 3.0\nqala_a_created 1.0\n'
        'qala_age_seconds{p="1"} 4.0\nqala_age_seconds{p="2"} 2.0\n'
        'qala_d_bucket{le="1"} 7.0\nqala_d_sum 1.5\npython_gc_total 9.0\n'
    )
    assert flatten(text) == {"qala_a_total": 5.0, "qala_age_seconds": 4.0, "qala_d_sum": 1.5}


def test_rates_are_differences_and_a_restarted_counter_begins_at_zero() -> None:
    rates = Rates()
    assert rates.look("bridge", 10.0, {"a_total": 100.0}) == {}
    assert rates.look("bridge", 12.0, {"a_total": 300.0, "gauge": 1.0}) == {"a_total": 100.0}
    assert rates.look("bridge", 13.0, {"a_total": 30.0}) == {"a_total": 30.0}


def test_a_gauge_is_no_rate_and_first_seen_counters_wait_for_a_second_look() -> None:
    registry = CollectorRegistry()
    Gauge("qala_x", "x", registry=registry).set(1)
    rates = Rates()
    rates.look("s", 1.0, {})
    assert rates.look("s", 2.0, {"new_total": 50.0}) == {}


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
