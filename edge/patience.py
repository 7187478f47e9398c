"""Calls that wait out a full disk or a busy peer instead of failing the series they belong to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import ParamSpec, TypeVar

from edge.errors import RetryPeer, ShedLoad
from edge.telemetry.events import Happening, TaskFailed

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_Given = ParamSpec("_Given")
_Given1 = TypeVar("_Given1")
_Answer = TypeVar("_Answer")


async def patiently(
    emit: Callable[[Happening], None],
    call: Callable[_Given, _Answer],
    *given: _Given.args,
    **named: _Given.kwargs,
) -> _Answer:
    """The answer of a blocking call made in a worker thread, for as long as it takes.

    ShedLoad and RetryPeer are tried again, slower and slower; every other error is the caller's.
    """
    answer = await _tried(emit, lambda: call(*given, **named), call.__name__, None)
    assert not isinstance(answer, ShedLoad | RetryPeer), "without a limit there is an answer"
    return answer


async def patiently_for(
    attempts: int, emit: Callable[[Happening], None], call: Callable[[_Given1], _Answer], given: _Given1
) -> _Answer | ShedLoad | RetryPeer:
    """Like `patiently`, but gives the error itself as the answer after so many attempts."""
    return await _tried(emit, lambda: call(given), call.__name__, attempts)


async def _tried(
    emit: Callable[[Happening], None], call: Callable[[], _Answer], name: str, attempts: int | None
) -> _Answer | ShedLoad | RetryPeer:
    pause_s = _FIRST_PAUSE_S
    for attempt in count(1):
        try:
            return await asyncio.to_thread(call)
        except (ShedLoad, RetryPeer) as error:
            emit(TaskFailed(name, type(error).__name__))
            if attempt == attempts:
                return error
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    raise AssertionError("count() has no end")
