"""An event loop whose clock jumps to the next timer when nothing else is to be done.

A test of half an hour's patience takes a millisecond, and the same turns in the same order on every machine.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_Answer = TypeVar("_Answer")


class _Impatient(selectors.DefaultSelector):
    """Never waits for a timer: tells by how much the clock may go on instead."""

    def __init__(self, go_on: Callable[[float], None]) -> None:
        super().__init__()
        self._go_on = go_on

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing is left that could happen, and a task still waits")
        ready = super().select(0)
        if not ready and timeout > 0:
            self._go_on(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """What is given to worker threads is done by the loop itself, in turn: only one thread is never late."""

    def __init__(self) -> None:
        self._virtual_s = self._takes_s = 0.0
        super().__init__(_Impatient(self._go_on))

    def time(self) -> float:
        return self._virtual_s

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Not at once: whoever else could go on goes on first, as beside a thread."""
        answer: asyncio.Future[Any] = self.create_future()
        self.call_soon(self._done, answer, func, args)
        return answer

    def takes(self, seconds: float) -> None:
        """For what `run_in_executor` runs: its answer comes so much later, and the others go on meanwhile."""
        self._takes_s = seconds

    def _done(self, answer: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._takes_s = 0.0
        try:
            tell = functools.partial(answer.set_result, func(*args))
        except Exception as error:  # noqa: BLE001 - the caller's, as from a thread
            tell = functools.partial(answer.set_exception, error)
        self.call_later(self._takes_s, lambda: answer.done() or tell())

    def _go_on(self, seconds: float) -> None:
        self._virtual_s += seconds


def run_in_virtual_time(script: Coroutine[Any, Any, _Answer]) -> _Answer:
    """asyncio.run without waiting."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(script)
