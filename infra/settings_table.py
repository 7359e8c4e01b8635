"""Each setting in force, with where it came from; secrets masked."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, SecretStr

from infra.settings import GIVEN_ELSEWHERE, STAGE_MODELS, Settings
from infra.settings_sources import ENVIRONMENT, FILE_NAME, Environment, File, Running

MASK: Final = "••••"
_VARIABLES: Final = {path: name for name, path in ENVIRONMENT.items()}
_USERINFO: Final = re.compile(r"(?P<head>\w+://[^/@:\s]*):[^/@\s]*@")


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting: its path in ``qala.toml``, its value as text, and where that came from.

    ``value`` is None where nothing is set; ``source`` is ``default``, ``qala.toml``,
    ``environment`` or ``qala up``; ``variable`` names the environment variable, if it has one.
    """

    name: str
    value: str | None
    source: str
    variable: str | None


def setting_rows(settings: Settings) -> list[SettingRow]:
    """Every setting, those of the stages included.

    Raises:
        SettingsError: a stage's table has an unknown key or a value that is refused.
    """
    sources = _sources(settings)
    rows = [_row(path, value, sources) for path, value in _leaves(settings, "", STAGE_MODELS)]
    for table in STAGE_MODELS:
        rows += [
            _row(path, value, sources)
            for path, value in _leaves(settings.stage(table), table, _elsewhere(table))
        ]
    return rows


def _elsewhere(table: str) -> set[str]:
    return {f"{table}.{name}" for name in GIVEN_ELSEWHERE[table]}


def _row(path: str, value: object, sources: Mapping[str, set[str]]) -> SettingRow:
    source = next((name for name, paths in sources.items() if path in paths), "default")
    return SettingRow(path, _shown(value), source, _VARIABLES.get(path))


def _leaves(model: BaseModel, prefix: str, skipped: Collection[str]) -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        path = f"{prefix}.{name}" if prefix else name
        value = getattr(model, name)
        if path in skipped:
            continue
        if isinstance(value, BaseModel):
            yield from _leaves(value, path, skipped)
        else:
            yield path, value


def _sources(settings: Settings) -> dict[str, set[str]]:
    """Which paths each source sets, the strongest source first."""
    running = Running(Settings)
    running._set_current_state({"data": settings.data})  # noqa: SLF001 - as its caller does
    given = {"data"} if _data_given(settings) else set()
    return {
        "--data": given,
        "environment": set(_paths(Environment(Settings)())),
        FILE_NAME: set(_paths(File(Settings)())),
        "qala up": set(_paths(running())),
    }


def _data_given(settings: Settings) -> bool:
    """Whether the data folder differs from what the other sources would make it."""
    return settings.data != Settings().data


def _paths(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        path = f"{prefix}.{key}" if prefix else key
        yield path
        if isinstance(value, dict):
            yield from _paths(value, path)


def _shown(value: object) -> str | None:
    """A value as text: a secret masked, but for what tells where a URL leads."""
    if value is None or value in ("", ()):
        return None
    if isinstance(value, SecretStr):
        return mask(value.get_secret_value())
    if isinstance(value, tuple | list | frozenset | set):
        return ", ".join(_shown(item) or "" for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return _USERINFO.sub(rf"\g<head>:{MASK}@", str(value))


def mask(secret: str) -> str | None:
    """``secret`` without what is secret in it: of MQTT and HTTP addresses only the password.

    Other URLs are a messenger's, whose host, user and path may all be tokens: only the scheme
    stays. Anything else is masked whole.
    """
    if not secret:
        return None
    scheme, separator, _ = secret.partition("://")
    if scheme in {"mqtt", "mqtts"}:
        return _USERINFO.sub(rf"\g<head>:{MASK}@", secret)
    return f"{scheme}://{MASK}" if separator else MASK
