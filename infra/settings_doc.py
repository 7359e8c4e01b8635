"""Write ``docs/settings.md``, or say that it is stale: ``python -m infra.settings_doc``."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import cleandoc, getdoc
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from infra.settings import GIVEN_ELSEWHERE, STAGE_MODELS, Settings, stage_model
from infra.settings_sources import ENVIRONMENT, NATIVE_FOLDER

PAGE: Final = Path(__file__).parents[1] / "docs" / "settings.md"
RENEW: Final = "run: python -m infra.settings_doc"
_VARIABLES: Final = {path: name for name, path in ENVIRONMENT.items()}
_UNITS: Final = {"ms": "ms", "s": "s", "mb": "MB", "bytes": "bytes"}
_TYPES: Final[dict[object, str]] = {
    str: "text", int: "integer", float: "number", bool: "true or false", Path: "path",
    SecretStr: "text",
}  # fmt: skip
_LIMITS: Final = {
    "ge": "from {}",
    "gt": "over {}",
    "le": "to {}",
    "lt": "under {}",
    "min_length": "from {} characters",
    "pattern": "`{}`",
}
_HEAD: Final = f"""\
# Settings
<!-- Generated from the types of the settings. To renew it, {RENEW} -->
Qala reads `qala.toml` in the working directory; the environment wins over it, and an option of a \
command over both. `qala config` shows every setting in force and where it came from, secrets \
masked. An unknown key, and a value that can't be, are refused in one line at the start.

A stage needs only what it speaks to: a bridge MQTT and Kafka, a worker Kafka, a sink Kafka and \
InfluxDB or messengers. Where no setting says where a server is, and a `qala up` runs on the data \
folder, its servers are meant.

```toml
data = "/var/lib/qala"

[kafka]
bootstrap = "kafka-1:9092,kafka-2:9092"

[bridge]
linger_ms = 100
```

Keep secrets out of a file that others can read; [securing.md](securing.md) shows how stages get \
theirs. An empty variable sets nothing. Options of a simulated city are those of `qala simulate \
--help`, not settings.

The environment variable `{NATIVE_FOLDER}` is no setting of a stage: it names the folder of the \
servers that `make setup` installs and `qala up` starts (default: `~/.cache/qala/native`).
"""


@dataclass(frozen=True, slots=True)
class _Line:
    """One setting, as its row shows it."""

    path: str
    field: FieldInfo

    def __str__(self) -> str:
        key = f"`{self.path.rpartition('.')[2]}`"
        variable = _VARIABLES.get(self.path)
        cells = (
            f"{key}<br>`{variable}`" if variable else key,
            _kind(self.field),
            _unit(self.path),
            _default(self.field),
            ("**Secret.** " if _secret(self.field.annotation) else "") + _meaning(self),
        )
        return f"| {' | '.join(cells)} |"


def page() -> str:
    """The page as it should be.

    Raises:
        ValueError: a setting has no description; names it.
    """
    loose = [_Line(name, field) for name, field in _loose()]
    parts = [_HEAD, _section("Keys without a table", "", loose)]
    for name, field in Settings.model_fields.items():
        model = field.annotation
        if name in STAGE_MODELS or not _is_model(model) or name == "sink":
            continue
        parts.append(_section(f"`[{name}]`", _about(model), _lines(name, model)))
    for table in STAGE_MODELS:
        model = stage_model(table)
        parts.append(_section(f"`[{table}]`", _about(model), _lines(table, model)))
    return "\n".join(parts)


def write(path: Path = PAGE) -> None:
    """Write the page."""
    path.write_text(page(), encoding="utf-8")


def is_stale(path: Path = PAGE) -> bool:
    """Whether the page is missing, or not what the types say."""
    return not path.exists() or path.read_text(encoding="utf-8") != page()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or with ``--check`` only compare; 0 where all is well, 1 where not."""
    parser = ArgumentParser(prog="python -m infra.settings_doc", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    if not parser.parse_args(arguments).check:
        write()
        return 0
    if is_stale():
        print(f"docs/settings.md is stale; {RENEW}", file=sys.stderr)  # noqa: T201 - a command's one line
        return 1
    return 0


def _loose() -> Iterator[tuple[str, FieldInfo]]:
    for name, field in Settings.model_fields.items():
        if name not in STAGE_MODELS and not _is_model(field.annotation):
            yield name, field


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _lines(table: str, model: Any) -> list[_Line]:  # noqa: ANN401 - a model for each table
    given = GIVEN_ELSEWHERE.get(table, frozenset())
    return [
        _Line(f"{table}.{name}", field)
        for name, field in model.model_fields.items()
        if name not in given
    ]


def _about(model: object) -> str:
    """The first sentence or two of a model's docstring."""
    text = _one_line(cleandoc(getdoc(model) or "").partition("\n\n")[0].replace("``", "`"))
    text = re.sub(r"^`\[[\w.]+\]`: ", "", text)
    return f"{text[:1].upper()}{text[1:]}\n"


def _section(title: str, about: str, lines: list[_Line]) -> str:
    table = "| key, variable | type | unit | default | meaning |\n|---|---|---|---|---|"
    return "\n".join((f"## {title}\n{about}{table}", *map(str, lines), ""))


def _meaning(line: _Line) -> str:
    if not line.field.description:
        raise ValueError(f"setting {line.path} has no description; write a docstring below it")
    text = _one_line(line.field.description.replace("``", "`"))
    text = text[0].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


def _secret(annotation: object) -> bool:
    return annotation is SecretStr or any(map(_secret, get_args(annotation)))


def _kind(field: FieldInfo) -> str:
    """Type and accepted range in words."""
    limits = _limits(field)
    return f"{_words(field.annotation)}{f', {limits}' if limits else ''}"


def _words(annotation: object) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    inner = [part for part in get_args(annotation) if part not in {type(None), Ellipsis}]
    if not inner:
        return _TYPES[annotation]
    words = _words(inner[0])
    return f"list of {words}s" if get_origin(annotation) in {tuple, list} else words


def _limits(field: FieldInfo) -> str:
    found: list[str] = []
    for limit in field.metadata:
        for name, word in _LIMITS.items():
            value = getattr(limit, name, None)
            if value is not None:
                found.append(word.format(_number(value)))
    return " ".join(found)


def _number(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _unit(path: str) -> str:
    return _UNITS.get(path.rpartition("_")[2], "") if "_" in path.rpartition(".")[2] else ""


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value in ("", ()):
        return "not set"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


if __name__ == "__main__":
    sys.exit(main())
