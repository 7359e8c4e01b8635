"""What is well and what is not with settings, and with the files that they name."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from infra.devices_file import load_expected_devices
from infra.doctor.finding import Finding, Findings
from infra.errors import SettingsError
from infra.settings import Settings
from infra.settings_sources import FILE_NAME, has_file, unknown_variables
from ingest.errors import PersonKeyError
from ingest.persons import KEY_FILE, load_person_key
from sinks.errors import ChatUrlError
from streams import rulefile
from streams.errors import Problem


def check_settings(
    settings: Settings,
    environ: Mapping[str, str] = os.environ,
    *,
    channels: Collection[str] | None = None,
) -> list[Finding]:
    """Findings of the part ``settings``.

    ``channels`` are those of the chat sinks that run here, whose ``QALA_CHAT_URLS`` may be others
    than ours; None where none runs.
    """
    found = Findings("settings")
    _variables(found, environ)
    _key(found, settings)
    _rules(found, settings)
    _devices(found, settings)
    _chat(found, settings, channels)
    return found.made


def _variables(found: Findings, environ: Mapping[str, str]) -> None:
    unknown = unknown_variables(environ)
    for name, meant in unknown.items():
        found.warning("variables", f"{name} sets nothing", meant)
    if not unknown:
        file = f"{FILE_NAME} and " if has_file() else ""
        found.ok("variables", f"{file}environment name settings only")


def _key(found: Findings, settings: Settings) -> None:
    secret = settings.person.key
    file = settings.data / KEY_FILE
    if secret is None and not file.exists():
        found.warning(
            "person key",
            f"there is no QALA_PERSON_KEY; the first bridge here makes {file}",
            "set QALA_PERSON_KEY where bridges run on several machines: each needs the same",
        )
        return
    try:
        load_person_key(secret.get_secret_value() if secret else None, settings.data)
    except PersonKeyError as exc:
        what, _, mend = str(exc).partition("; ")
        found.problem("person key", what, mend)
    else:
        found.ok("person key", "it is there, private and strong")


def _rules(found: Findings, settings: Settings) -> None:
    path = settings.rules or rulefile.default_rules()
    problems = rulefile.check_rules(path, Path.cwd())
    errors = [problem for problem in problems if problem.level == "error"]
    mend = "`qala rules check` lists them"
    if errors:
        found.problem("rules", f"{_number(errors, 'error')}: {errors[0]}", mend)
    elif problems:
        found.warning("rules", f"{_number(problems, 'warning')}: {problems[0]}", mend)
    else:
        found.ok("rules", f"those at {_short(path)} can be used")


def _number(problems: Sequence[Problem], what: str) -> str:
    return f"one {what}" if len(problems) == 1 else f"{len(problems)} {what}s, the first"


def _short(path: Path) -> str:
    """``path``, from the working directory where it lies in it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _devices(found: Findings, settings: Settings) -> None:
    if settings.devices is None:
        return
    try:
        number = len(load_expected_devices(settings.devices))
    except SettingsError as exc:
        what, _, mend = str(exc).rpartition("; ")
        found.problem("devices", what or mend, mend if what else "mend QALA_DEVICES")
    else:
        found.ok("devices", f"{number} expected in {settings.devices}")


def _chat(found: Findings, settings: Settings, running: Collection[str] | None) -> None:
    try:
        channels = chat_channels(settings) if running is None else sorted(running)
    except ChatUrlError as exc:
        what, _, mend = str(exc).partition("; ")
        found.problem("chat", what, mend)
        return
    if channels == ["file"]:
        found.warning(
            "chat",
            f"no messenger: alerts go to {settings.data / 'chat' / 'messages.ndjson'} only",
            "start the chat sink with QALA_CHAT_URLS set to the on-call chat",
        )
    else:
        found.ok("chat", ", ".join(channels))


def chat_channels(settings: Settings) -> list[str]:
    """The channels of a chat sink that is started with these settings.

    Raises:
        ChatUrlError: a URL is not one of Apprise's.
    """
    # loads every messenger that Apprise knows
    from sinks.chat import channels_of  # noqa: PLC0415

    chat = settings.stage("sink.chat", urls=list(settings.chat.urls))
    return [channel.name for channel in channels_of(chat)]
