"""Errors of the infra package: each is one sentence that says what is wrong and what to do."""

from __future__ import annotations

from typing import Final

PACKAGES: Final = ("schemas", "ingest", "streams", "sinks", "dashboards", "infra")


class InfraError(Exception):
    """A command cannot do what it was asked; the message is what its user reads."""


class SettingsError(InfraError):
    """A setting (in ``qala.toml``, the environment or a file they name) cannot be used."""


class SupervisorError(InfraError):
    """The supervisor cannot start or keep what it was asked to run."""


class AlreadyRunningError(SupervisorError):
    """Another supervisor owns this data folder."""


class PortInUseError(SupervisorError):
    """A port that a server needs is taken by another program."""


class LookupFailedError(InfraError):
    """What a command was asked to show isn't there, or can't be reached."""


def is_known(error: BaseException) -> bool:
    """Whether ``error`` belongs to the error tree of one of our packages.

    Such an error's message is written for users; any other one's is not. Told by the module
    in which a class of its ancestry stands, so that no package has to be imported for it.
    """
    for ancestor in type(error).__mro__:
        package, _, rest = ancestor.__module__.partition(".")
        if package in PACKAGES and (rest == "errors" or rest.endswith(".errors")):
            return True
    return False


def one_line(error: BaseException) -> str:
    """What a user reads of an error: one of ours in its words, any other one's name only.

    The message of an error that isn't ours may quote input, and says nothing of what to do.
    """
    if not is_known(error):
        reason = getattr(error, "strerror", None)
        return f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    first, *others = [line for line in str(error).splitlines() if line.strip()] or [""]
    return f"{first} (and {len(others)} more)" if others else first


def is_final(error: BaseException) -> bool:
    """Whether starting again can't help (an error says so by ``retryable = False``)."""
    return getattr(error, "retryable", True) is False
