"""Where settings come from: the documented variables, ``qala.toml``, and a running ``qala up``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    TomlConfigSettingsSource,
)

from infra.errors import SettingsError
from infra.supervisor.records import read_processes, run_folder

FILE_NAME: Final = "qala.toml"

ENVIRONMENT: Final[dict[str, str]] = {
    "QALA_MQTT_URL": "mqtt.url",
    "QALA_MQTT_CA": "mqtt.ca",
    "QALA_KAFKA_BOOTSTRAP": "kafka.bootstrap",
    "QALA_KAFKA_SECURITY": "kafka.security",
    "QALA_KAFKA_MECHANISM": "kafka.mechanism",
    "QALA_KAFKA_USER": "kafka.user",
    "QALA_KAFKA_PASSWORD": "kafka.password",
    "QALA_KAFKA_CA": "kafka.ca",
    "QALA_INFLUX_URL": "influx.url",
    "QALA_INFLUX_TOKEN": "influx.token",
    "QALA_INFLUX_ORG": "influx.org",
    "QALA_INFLUX_DATABASE": "influx.database",
    "QALA_INFLUX_CA": "influx.ca",
    "QALA_GRAFANA_URL": "grafana.url",
    "QALA_GRAFANA_TOKEN": "grafana.token",
    "QALA_CHAT_URLS": "chat.urls",
    "QALA_PERSON_KEY": "person.key",
    "QALA_RULES": "rules",
    "QALA_DEVICES": "devices",
    "QALA_DATA": "data",
}
"""Which variable sets which setting; an empty variable sets nothing."""

PROCESS_NAME: Final = "QALA_PROCESS_NAME"
"""Set by the supervisor for its children: the name under which `ps` shows them."""
NATIVE_FOLDER: Final = "QALA_NATIVE"
"""Where the native servers are installed (see `infra.native`)."""

_SERVERS: Final = {
    "mosquitto": ("mqtt", "url", "mqtt://{}"),
    "kafka": ("kafka", "bootstrap", "{}"),
    "influxdb": ("influx", "url", "http://{}"),
}


def _did_you_mean(key: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = get_close_matches(key, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"


def refuse_unknown(values: Mapping[str, object], known: Iterable[str], where: str) -> None:
    """Refuse keys that are not in ``known``.

    Raises:
        SettingsError: names the first such key, ``where`` it stands, and what may be meant.
    """
    known = set(known)
    for key in values:
        if key not in known:
            raise SettingsError(f"{where}: '{key}' is not a setting; {_did_you_mean(key, known)}")


def unknown_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like ours but set nothing, each with what may be meant."""
    known = {*ENVIRONMENT, PROCESS_NAME, NATIVE_FOLDER}
    return {
        name: _close(name)
        for name in sorted(environ)
        if name.startswith("QALA_") and not name.startswith("QALA_TEST_") and name not in known
    }


def _close(variable: str) -> str:
    """What may be meant by a variable; they all begin alike, so that only the rest tells."""
    known = {name.removeprefix("QALA_"): name for name in ENVIRONMENT}
    close = get_close_matches(variable.removeprefix("QALA_"), sorted(known), n=1, cutoff=0.7)
    return (
        f"did you mean {known[close[0]]}?"
        if close
        else "it sets nothing; `qala config` lists what does"
    )


def has_file() -> bool:
    """Whether the working directory has a ``qala.toml``; one that we may not look into has none."""
    try:
        return Path(FILE_NAME).is_file()
    except OSError:  # `sudo -u qala qala …` typed in somebody's home
        return False


class Environment(EnvSettingsSource):
    """The documented variables, and no others."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        """Take them from the environment as it is now."""
        super().__init__(settings_cls)
        names = {name.lower() for name in ENVIRONMENT if os.environ.get(name)}
        self.env_vars = {key: value for key, value in self.env_vars.items() if key in names}


class File(TomlConfigSettingsSource):
    """``qala.toml``, in which every key must be known."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        """Read the file of the working directory, where there is one.

        Raises:
            SettingsError: a key in it is unknown.
            tomllib.TOMLDecodeError: it is not TOML.
            OSError: it is there, and can't be read.
        """
        super().__init__(settings_cls, toml_file=FILE_NAME if has_file() else None)
        refuse_unknown(self.toml_data, settings_cls.model_fields, FILE_NAME)
        for table, values in self.toml_data.items():
            annotation = settings_cls.model_fields[table].annotation
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                if not isinstance(values, dict):
                    raise SettingsError(f"{FILE_NAME}: '{table}' is a table; write [{table}]")
                refuse_unknown(values, annotation.model_fields, f"[{table}] in {FILE_NAME}")


class Running(PydanticBaseSettingsSource):
    """Addresses of the servers that a `qala up` runs on the data folder: better than defaults."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not asked for: this source gives whole tables at once."""
        return None, field_name, bool(field.annotation)

    def __call__(self) -> dict[str, Any]:
        """The tables of the servers that live now."""
        data = Path(str(self.current_state.get("data") or ".qala"))
        found: dict[str, Any] = {}
        for record in read_processes(run_folder(data)):
            if record.name in _SERVERS and record.address and record.alive():
                table, key, form = _SERVERS[record.name]
                found[table] = {key: form.format(record.address)}
        return found
