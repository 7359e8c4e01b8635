"""State of older versions of this program, brought into the form of today.

What a version did not keep is taken as not known: it is never guessed from what it kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

VERSION: Final = 5
"""Of the form of a value. 2: devices count late readings. 3: alerts keep what their rule said,
devices whether they were told, the header what the log held at its offset. 4: devices know when
they were told last, and as which of that ms. 5: devices remember the names of before a reset."""

_MEMORY: Final = 3
_LATE: Final = 7
"""Where a device's count of late readings stands."""
_ALERTS: Final = 10
_NEVER_TOLD: Final = -1
_VALUE_FIELDS_1: Final = 6
"""Numbers of an alert that did not know its last change yet."""


def migrated(content: list[Any], version: int) -> list[Any]:
    """The content of a chunk, written in the form of ``version``, in that of `VERSION`."""
    for step in _STEPS[version - 1 :]:
        meters, devices = content
        content = [meters, [step(list(device)) for device in devices]]
    return content


def _from_1(device: list[Any]) -> list[Any]:
    device.insert(_LATE, 0)
    return device


def _from_2(device: list[Any]) -> list[Any]:
    device[_ALERTS] = [
        (rule, "", "", "", _with_last_change(state)) for rule, state in device[_ALERTS]
    ]
    device.append(False)
    return device


def _from_3(device: list[Any]) -> list[Any]:
    # only a record told in the very same ms asks for it
    return [*device, _NEVER_TOLD, 0]


def _from_4(device: list[Any]) -> list[Any]:
    device[_MEMORY] = [*device[_MEMORY], None]
    return device


def _with_last_change(state: list[int | float]) -> list[int | float]:
    # only an alert that begins anew in the very same ms asks for it
    return [*state, state[2]] if len(state) == _VALUE_FIELDS_1 else state


_STEPS: Final[tuple[Callable[[list[Any]], list[Any]], ...]] = (_from_1, _from_2, _from_3, _from_4)
