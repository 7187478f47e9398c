"""Calls that wait out a full disk or a busy peer instead of failing the series they belong to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from edge.errors import RetryPeer, ShedLoad
from edge.telemetry.events import Happening, TaskFailed

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_Given = ParamSpec("_Given")
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
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return await asyncio.to_thread(call, *given, **named)
        except (ShedLoad, RetryPeer) as error:
            emit(TaskFailed(getattr(call, "__name__", "call"), type(error).__name__))
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
