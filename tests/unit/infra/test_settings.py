"""Settings: which source wins, what is refused, and that secrets stay secret."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.devices_file import load_expected_devices
from infra.errors import SettingsError
from infra.settings import load_settings
from infra.settings_sources import unknown_variables
from infra.settings_table import SettingRow, mask, setting_rows
from infra.supervisor.identity import identify
from infra.supervisor.records import ProcessRecord, run_folder, write_record


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without a file, an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("QALA_"):
            monkeypatch.delenv(name)


def write(text: str) -> None:
    Path("qala.toml").write_text(text, encoding="utf-8")


def row(name: str) -> SettingRow:
    return next(row for row in setting_rows(load_settings()) if row.name == name)


def run_a_server(name: str, address: str, data: Path) -> None:
    record = ProcessRecord(
        name=name, state="ready", since=0.0, process=identify(os.getpid()), address=address
    )
    write_record(run_folder(data), record)


def test_without_any_source_the_defaults_hold() -> None:
    settings = load_settings()
    assert settings.mqtt.port == 1883
    assert settings.kafka.bootstrap == "127.0.0.1:9092"
    assert settings.data == Path(".qala")
    assert row("mqtt.url").source == "default"


def test_the_environment_wins_over_the_file_which_wins_over_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write('[kafka]\nbootstrap = "file:1"\nuser = "from-file"\n')
    monkeypatch.setenv("QALA_KAFKA_BOOTSTRAP", "env:1")
    settings = load_settings()
    assert (settings.kafka.bootstrap, settings.kafka.user) == ("env:1", "from-file")
    assert row("kafka.bootstrap").source == "environment"
    assert row("kafka.user").source == "qala.toml"
    assert row("kafka.security").source == "default"


@pytest.mark.parametrize(
    "variable,value,path,shown",
    [
        ("QALA_MQTT_URL", "mqtts://city:pass-word@mqtt:8883", "mqtt.url", None),
        ("QALA_KAFKA_BOOTSTRAP", "kafka:9092", "kafka.bootstrap", "kafka:9092"),
        ("QALA_KAFKA_SECURITY", "SASL_SSL", "kafka.security", "SASL_SSL"),
        ("QALA_KAFKA_USER", "qala", "kafka.user", "qala"),
        ("QALA_KAFKA_PASSWORD", "pass-word", "kafka.password", "••••"),
        ("QALA_KAFKA_CA", "/ca.pem", "kafka.ca", "/ca.pem"),
        ("QALA_INFLUX_URL", "https://influx:8086", "influx.url", "https://influx:8086"),
        ("QALA_INFLUX_TOKEN", "pass-word", "influx.token", "••••"),
        ("QALA_INFLUX_ORG", "city", "influx.org", "city"),
        ("QALA_INFLUX_DATABASE", "other", "influx.database", "other"),
        ("QALA_CHAT_URLS", "slack://pass-word/b/c", "chat.urls", "slack://••••"),
        ("QALA_PERSON_KEY", "pass-word", "person.key", "••••"),
        ("QALA_RULES", "rules", "rules", "rules"),
        ("QALA_DEVICES", "devices.csv", "devices", "devices.csv"),
        ("QALA_DATA", "elsewhere", "data", "elsewhere"),
    ],
)
def test_every_variable_of_the_contract_sets_its_setting_and_no_secret_is_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, path: str, shown: str | None
) -> None:
    monkeypatch.setenv(variable, value)
    found = row(path)
    assert (found.source, found.variable) == ("environment", variable)
    assert found.value == (shown or "mqtts://city:••••@mqtt:8883")
    assert "pass-word" not in str(setting_rows(load_settings()))
    assert "pass-word" not in repr(load_settings())


def test_an_empty_variable_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QALA_CHAT_URLS", "")
    assert load_settings().chat.urls == ()


def test_chat_urls_are_split_where_a_new_url_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QALA_CHAT_URLS", "mailto://a:b@c.org?to=x,y, slack://1/2/3")
    urls = [url.get_secret_value() for url in load_settings().chat.urls]
    assert urls == ["mailto://a:b@c.org?to=x,y", "slack://1/2/3"]


def test_data_of_the_command_line_wins_over_everything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QALA_DATA", "elsewhere")
    assert load_settings(data=tmp_path).data == tmp_path


@pytest.mark.parametrize(
    "text,told",
    [
        ("[mqqt]\n", "qala.toml: 'mqqt' is not a setting; did you mean mqtt?"),
        ('[kafka]\nbotstrap = "x:1"', "'botstrap' is not a setting; did you mean bootstrap?"),
        ("[sink.inflx]\n", "'inflx' is not a setting; did you mean influx?"),
        ("mqtt = 3", "'mqtt' is a table"),
        ("[mqtt", "qala.toml is not TOML"),
        ('[mqtt]\nurl = "http://x"', "setting mqtt.url cannot be used"),
        ('[kafka]\nsecurity = "NONE"', "setting kafka.security cannot be used"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_meant(text: str, told: str) -> None:
    write(text)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_refused_secret_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QALA_MQTT_URL", "ftp://city:pass-word@x")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert "pass-word" not in str(refused.value)


def test_a_stage_takes_its_table_and_refuses_unknown_keys_and_values() -> None:
    write("[bridge]\nlinger_ms = 20\n")
    assert load_settings().stage("bridge").linger_ms == 20
    assert load_settings().stage("bridge", id="north").id == "north"
    assert row("bridge.linger_ms") == SettingRow("bridge.linger_ms", "20", "qala.toml", None)
    write("[bridge]\nlinger = 20\n")
    with pytest.raises(SettingsError, match="did you mean linger_ms"):
        load_settings().stage("bridge")
    write('[bridge]\nlinger_ms = "soon"\n')
    with pytest.raises(SettingsError, match=r"setting bridge\.linger_ms cannot be used"):
        load_settings().stage("bridge")


def test_a_field_that_follows_from_other_settings_is_no_key_of_a_stage() -> None:
    write('[streams]\nrules = "here"\n')
    with pytest.raises(SettingsError, match="'rules' is not a setting"):
        load_settings().stage("streams")


def test_servers_that_run_on_the_data_folder_are_found_unless_somebody_names_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QALA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("QALA_MQTT_URL", "mqtt://elsewhere")
    run_a_server("kafka", "127.0.0.1:19092", tmp_path / "data")
    run_a_server("mosquitto", "127.0.0.1:11883", tmp_path / "data")
    settings = load_settings()
    assert settings.kafka.bootstrap == "127.0.0.1:19092"
    assert settings.mqtt.host == "elsewhere"
    assert row("kafka.bootstrap").source == "qala up"


def test_variables_that_set_nothing_are_named_with_what_may_be_meant() -> None:
    environ = {"QALA_KAFKA_BOOTSRAP": "x", "QALA_DATA": "y", "PATH": "z"}
    assert unknown_variables(environ) == {
        "QALA_KAFKA_BOOTSRAP": "did you mean QALA_KAFKA_BOOTSTRAP?"
    }


def test_a_messengers_url_shows_its_scheme_only() -> None:
    assert mask("tgram://token/chat") == "tgram://••••"
    assert mask("secret") == "••••"
    assert mask("") is None


@pytest.mark.parametrize(
    "name,text",
    [
        (
            "devices.toml",
            (
                '[[device]]\nsite = "stop-1"\nkind = "ionizer"\nid = "i-1"\ninterval = "90s"\n'
                '[[device]]\nsite = "stop-1"\nkind = "camera"\nid = "c-1"\n'
            ),
        ),
        ("devices.csv", "site,kind,id,interval\nstop-1,ionizer,i-1,1.5m\nstop-1,camera,c-1,\n"),
    ],
)
def test_expected_devices_are_read_from_toml_and_csv(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    assert load_expected_devices(file) == (
        ("stop-1", "ionizer", "i-1", 90_000),
        ("stop-1", "camera", "c-1", None),
    )
    assert load_expected_devices(None) == ()


@pytest.mark.parametrize(
    "line,told",
    [
        ("Stop,ionizer,i-1,", "line 2: site 'Stop' is not an id"),
        ("stop,ioniser,i-1,", "line 2: kind 'ioniser' is unknown"),
        ("stop,ionizer,,", "line 2: id '' is not an id"),
        ("stop,ionizer,i-1,soon", "line 2: interval 'soon' is not a duration"),
        ("stop,ionizer,i-1,0s", "line 2: interval '0s' is not a duration"),
        ("stop,ionizer,i,\nstop,camera,i,", "line 3: stop/i stands there twice"),
    ],
)
def test_a_wrong_device_is_named_with_its_line(tmp_path: Path, line: str, told: str) -> None:
    file = tmp_path / "devices.csv"
    file.write_text(f"site,kind,id,interval\n{line}\n", encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        load_expected_devices(file)
    assert told in str(refused.value)


def test_a_list_of_devices_that_is_not_there_is_told() -> None:
    with pytest.raises(SettingsError, match="mend QALA_DEVICES"):
        load_expected_devices(Path("nowhere.csv"))
