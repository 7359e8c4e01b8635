"""Errors of the sinks' tasks come out as they were raised."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import KafkaError

from infra.errors import is_known
from sinks.errors import SinkError, plain_errors


async def _fail(error: Exception) -> None:
    raise error


async def _run(*errors: Exception) -> None:
    with plain_errors():
        async with asyncio.TaskGroup() as outer:
            async with asyncio.TaskGroup() as tasks:
                for error in errors:
                    tasks.create_task(_fail(error))
            outer.create_task(asyncio.sleep(0))


async def test_a_single_error_of_a_task_comes_out_as_itself():
    error = SinkError("InfluxDB has no database qala; run qala provision")
    with pytest.raises(SinkError) as caught:
        await _run(error)
    assert caught.value is error
    assert is_known(caught.value)


async def test_of_several_known_errors_the_first_comes_out():
    with pytest.raises(KafkaError):
        await _run(KafkaError("first"), SinkError("second"))


async def test_an_unknown_error_is_not_hidden_behind_a_known_one():
    with pytest.raises(ExceptionGroup) as caught:
        await _run(SinkError("known"), KeyError("unknown"))
    assert caught.group_contains(KeyError, depth=2)
