"""Bounded waiting for something outside the test's loop to become true."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    ask: Callable[[], Awaitable[T]],
    wanted: Callable[[T], bool] = bool,
    *,
    timeout_s: float = 20.0,
    every_s: float = 0.05,
) -> T:
    """Ask until the answer is ``wanted`` (by default: true); it is returned.

    Raises:
        AssertionError: still not after ``timeout_s``; says the last answer.
    """
    answer: object = "nothing yet"
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                answer = found = await ask()
                if wanted(found):
                    return found
                await asyncio.sleep(every_s)
    except TimeoutError as exc:
        raise AssertionError(f"not within {timeout_s} s; last answer: {answer!r}") from exc
