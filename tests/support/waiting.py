"""Bounded waiting for something outside the test's loop to become true."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_REST = 3
_LONGEST_REST_S = 0.5


async def eventually(
    ask: Callable[[], Awaitable[T]],
    wanted: Callable[[T], bool] = bool,
    *,
    timeout_s: float = 20.0,
    every_s: float = 0.05,
) -> T:
    """Ask until the answer is ``wanted`` (by default: true); it is returned.

    Between two questions it rests three times as long as one takes, up to half a second, and
    ``every_s`` at least: what is waited for needs the processor more than a question that reads
    a whole topic.

    Raises:
        AssertionError: still not after ``timeout_s``; says the last answer.
    """
    answer: object = "nothing yet"
    try:
        async with asyncio.timeout(timeout_s):
            clock = asyncio.get_running_loop().time
            while True:
                asked_s = clock()
                answer = found = await ask()
                if wanted(found):
                    return found
                rest_s = min(_REST * (clock() - asked_s), _LONGEST_REST_S)
                await asyncio.sleep(max(every_s, rest_s))
    except TimeoutError as exc:
        raise AssertionError(f"not within {timeout_s} s; last answer: {answer!r}") from exc
