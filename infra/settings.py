"""Settings in force: defaults, overridden by ``qala.toml``, overridden by the environment.

``qala.toml`` in the working directory has a table for each thing (``[mqtt]``, ``[kafka]``,
``[influx]``, ``[grafana]``, ``[chat]``, ``[person]``; ``[bridge]``, ``[streams]``,
``[sink.influx]`` and ``[sink.chat]`` for the stages) and the keys ``data``, ``rules``,
``devices`` and ``min_free_mb``. Where none of them says where a server is, the servers of a running
``qala up`` on the data folder are meant.
"""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from infra.errors import SettingsError
from infra.settings_sources import FILE_NAME, Environment, File, Running, refuse_unknown
from schemas.connections import (
    GrafanaConnection,
    InfluxConnection,
    KafkaConnection,
    MqttConnection,
)

STAGE_MODELS: Final[dict[str, tuple[str, str]]] = {
    "bridge": ("ingest.settings", "BridgeSettings"),
    "streams": ("streams.settings", "StreamsSettings"),
    "sink.influx": ("sinks.settings", "InfluxSinkSettings"),
    "sink.chat": ("sinks.settings", "ChatSinkSettings"),
}
"""Where the settings of each stage's table are defined; imported when they are asked for."""


GIVEN_ELSEWHERE: Final[dict[str, frozenset[str]]] = {
    "bridge": frozenset(),
    "streams": frozenset({"data", "rules", "expected_devices"}),
    "sink.influx": frozenset({"instance"}),
    "sink.chat": frozenset({"instance", "urls", "folder"}),
}
"""Fields of a stage that follow from other settings or from its name; not keys of its table."""


class ChatSection(BaseModel):
    """``[chat]``: Apprise URLs of the messengers that get alerts; secret, as they hold tokens."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    urls: tuple[SecretStr, ...] = ()
    """Apprise URLs, separated by commas in the variable, a list in the file. A comma that no
    further ``scheme://`` follows belongs to the URL before it (``mailto://…?to=one@…,two@…``).
    Without any, alerts go into ``chat/messages.ndjson`` in the data folder, and to the screen; with
    one, not into that file."""

    @field_validator("urls", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Split at the commas before a new URL; a comma inside a URL stays."""
        if isinstance(value, str):
            return [
                part.strip() for part in re.split(r",\s*(?=[\w.+-]+://)", value) if part.strip()
            ]
        return value


class PersonSection(BaseModel):
    """``[person]``: the key of pseudonyms and sealed dead letters."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    key: SecretStr | None = None
    """At least 32 characters, the same for all bridges, and never changed: with another key every
    person gets another pseudonym. By default made at the first start, in the data folder."""


class SinkSection(BaseModel):
    """``[sink.influx]`` and ``[sink.chat]``."""

    model_config = ConfigDict(frozen=True)

    influx: dict[str, Any] = {}
    chat: dict[str, Any] = {}


class Settings(BaseSettings):
    """All settings of one process. Made by `load_settings`, which explains what is wrong."""

    model_config = SettingsConfigDict(
        frozen=True,
        use_attribute_docstrings=True,
        extra="forbid",
        toml_file=FILE_NAME,
        env_prefix="QALA_",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_ignore_empty=True,
        enable_decoding=False,
    )

    mqtt: MqttConnection = MqttConnection()
    kafka: KafkaConnection = KafkaConnection()
    influx: InfluxConnection = InfluxConnection()
    grafana: GrafanaConnection = GrafanaConnection()
    chat: ChatSection = ChatSection()
    person: PersonSection = PersonSection()
    data: Path = Path(".qala")
    """Folder of state, logs, and the files of servers that ``qala up`` starts."""
    rules: Path | None = None
    """Rule file, or folder of rule files; by default the rules that Qala ships."""
    devices: Path | None = None
    """TOML or CSV list of the devices that should be there (site, kind, id, interval), so that one
    that was never heard is missed, too."""
    min_free_mb: Annotated[int, Field(ge=0)] = 2048
    """Free space (MB) under which `qala doctor` finds the data folder's disk too full."""
    bridge: dict[str, Any] = {}
    streams: dict[str, Any] = {}
    sink: SinkSection = SinkSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours reads documented names
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no such file is read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - nor such a folder
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources, the strongest first."""
        return init_settings, Environment(settings_cls), File(settings_cls), Running(settings_cls)

    def table(self, name: str) -> dict[str, Any]:
        """What ``qala.toml`` says in a stage's table, as it stands there."""
        found: Any = self
        for part in name.split("."):
            found = getattr(found, part)
        return dict(found)

    def stage(self, table: str, **given: object) -> Any:  # noqa: ANN401 - a model for each table
        """The settings of the stage of ``table`` (``bridge``, ``streams``, ``sink.influx``, …).

        ``given`` wins over ``qala.toml``; None in it means: not given.

        Raises:
            SettingsError: an unknown key, or a value that its field refuses.
        """
        values = self.table(table)
        model = stage_model(table)
        known = model.model_fields.keys() - GIVEN_ELSEWHERE[table]
        refuse_unknown(values, known, f"[{table}] in {FILE_NAME}")
        values |= {key: value for key, value in given.items() if value is not None}
        try:
            return model(**values)
        except ValidationError as exc:
            raise SettingsError(_sentence(exc, table)) from exc


def stage_model(table: str) -> type[BaseModel]:
    """The model of a stage's table."""
    module, name = STAGE_MODELS[table]
    model: type[BaseModel] = getattr(import_module(module), name)
    return model


def load_settings(*, data: Path | None = None) -> Settings:
    """Read ``qala.toml`` and the environment; ``data`` (of ``--data``) wins over both.

    Raises:
        SettingsError: the file is not TOML, a key is unknown, a value is refused.
    """
    given: dict[str, Any] = {} if data is None else {"data": data}
    try:
        return Settings(**given)
    except tomllib.TOMLDecodeError as exc:
        raise SettingsError(f"{FILE_NAME} is not TOML: {exc}; mend that line") from exc
    except OSError as exc:
        name = exc.filename or FILE_NAME
        raise SettingsError(
            f"{name} cannot be read: {exc.strerror}; let this user read it, or run as one who may"
        ) from exc
    except ValidationError as exc:
        raise SettingsError(_sentence(exc)) from exc


def _sentence(error: ValidationError, table: str | None = None) -> str:
    """The first fault in words, without the value, which may be a secret."""
    fault = error.errors(include_input=False, include_url=False)[0]
    path = ".".join(str(part) for part in ((table,) if table else ()) + fault["loc"])
    said = fault["msg"].removeprefix("Value error, ")
    return f"setting {path} cannot be used: {said}; see `qala config --help`"
