"""A kept state as programs of older versions wrote it."""

from __future__ import annotations

from typing import Any

import msgspec


def as_version(kept: dict[bytes, bytes], version: int) -> dict[bytes, bytes]:
    """The state topic as the program of an older version would have written it."""
    return {key: _value(msgspec.msgpack.decode(value), version) for key, value in kept.items()}


def _value(fields: list[Any], version: int) -> bytes:
    content = fields[5]
    if content is not None:
        meters, devices = content
        content = [meters, [_device(device, version) for device in devices]]
    return msgspec.msgpack.encode([version, *fields[1:5], content])


def _device(device: list[Any], version: int) -> list[Any]:
    device = list(device)
    if version < 5:
        device[3] = device[3][:-1]  # of the memory: that of before a reset
    if version < 4:
        del device[-2:]
    if version < 3:
        del device[-1]
        device[10] = [(rule, state) for rule, _, _, _, state in device[10]]
    if version < 2:
        device[10] = [(rule, state[:6]) for rule, state in device[10]]
        del device[7]
    return device
