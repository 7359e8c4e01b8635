"""Wrong usage in one sentence: what it is, and what to write instead.

Typer draws a box of five lines and lets its validator's own words through; here only what was
typed, what would be taken, and where the help is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import typer
from pydantic import ValidationError
from typer.exceptions import TyperException

_SHOWN_CHARS: Final = 60
_BOUNDS: Final = {
    "greater_than_equal": ("ge", "{} or more"),
    "greater_than": ("gt", "more than {}"),
    "less_than_equal": ("le", "{} or less"),
    "less_than": ("lt", "less than {}"),
}
_KINDS: Final = {"int": "a whole number", "float": "a number", "bool": "true or false"}
_FORMATS: Final = "does not match the formats"
_A_TIME: Final = "a time, for example 2026-01-31 or 2026-01-31T12:00:00"
_REWORDED: Final = (
    (re.compile(r"No such command '(.*)'\."), r"there is no command '\1'"),
    (re.compile(r"Option '(.*)' requires an argument\."), r"\1 needs a value"),
    (
        re.compile(r"Got unexpected extra argument(?:s|\(s\))? \((.*)\)"),
        r"'\1' is more than it takes",
    ),
)


def usage_sentence(error: TyperException) -> str:
    """What was wrong with a command line, as one line without its end."""
    told = " ".join(_told(error).split()).rstrip(".")
    path = getattr(getattr(error, "ctx", None), "command_path", "qala")
    return f"{told}; see `{path} --help`"


def is_help(error: TyperException) -> bool:
    """Whether it only says that a command without words shows its help."""
    return type(error).__name__ == "NoArgsIsHelpError"


def _told(error: TyperException) -> str:
    if isinstance(error, typer.BadParameter):
        return _parameter(error)
    option = getattr(error, "option_name", None)
    if hasattr(error, "possibilities"):
        close = sorted(error.possibilities or ())
        meant = f"; did you mean {' or '.join(close)}?" if close else ""
        return f"there is no option {option}{meant}"
    message = error.format_message()
    for form, words in _REWORDED:
        found = form.fullmatch(message)
        if found is not None:
            return found.expand(words)
    return message


def _parameter(error: typer.BadParameter) -> str:
    name = _name(error.param)
    if not error.message:
        return f"{name} is missing"
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return f"{name}: {error.message}" if name else error.message
    fault: Mapping[str, Any] = cause.errors(include_url=False)[0]
    return f"{name}: {_refused(fault)}"


def _name(param: Any) -> str:  # noqa: ANN401 - Typer's parameters have no public type
    """The longest way to write an option, or what an argument is called in the help."""
    if param is None:
        return ""
    if param.param_type_name == "argument":
        return str(param.metavar or param.name)
    return str(max(param.opts, key=len))


def _refused(fault: Mapping[str, Any]) -> str:
    """A value that was refused, and what would be taken."""
    text = str(fault["input"])
    shown = f"'{text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + '…'}'"
    kind, context = str(fault["type"]), fault.get("ctx", {})
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{shown} can't be used; write {words.format(context[key])}"
    for of, words in _KINDS.items():
        if kind.startswith(f"{of}_"):
            return f"{shown} is not {words}"
    said = str(fault["msg"]).removeprefix("Value error, ").rstrip(".")
    if _FORMATS in said:
        return f"{shown} is not {_A_TIME}"
    _, one_of, choices = said.partition(" is not one of ")
    if one_of:
        return f"{shown} is not one of {choices.replace(chr(39), '')}"
    return said
