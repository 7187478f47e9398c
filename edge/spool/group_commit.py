"""One sync for all who wait: the threads that want something written share a transaction.

Four threads that each sync alone wait for one another; together they wait once.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

_Result = TypeVar("_Result")


class _Wish(Generic[_Result]):
    """What one thread wants written, and what came of it; `turn` is held until it is its turn, or done."""

    def __init__(self, work: Callable[[sqlite3.Connection], _Result]) -> None:
        self._work = work
        self._result: list[_Result] = []
        self.error: BaseException | None = None
        self.done = False
        self.turn = threading.Lock()

    def attempt(self, connection: sqlite3.Connection) -> None:
        self._result = [self._work(connection)]

    def result(self) -> _Result:
        if self.error is not None:
            raise self.error
        return self._result[0]


class GroupCommit:
    """Whoever finds nobody at work does the work of all who came meanwhile; safe from many threads.

    `transaction` is all or nothing, durable when it ends, and entered by one thread at a time. Only threads
    whose wish is done are woken, and the one whose turn it is: each that wakes in vain takes Python's lock.
    """

    def __init__(self, transaction: Callable[[], AbstractContextManager[sqlite3.Connection]]) -> None:
        self._transaction = transaction
        self._lock = threading.Lock()
        self._waiting: list[_Wish[Any]] = []
        self._at_work = False

    def run(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """What `work` returned, once it is durable; it may be called twice. Raises what either raised."""
        wish = _Wish(work)
        with self._lock:
            waits = self._at_work
            if waits:
                wish.turn.acquire()
            self._waiting.append(wish)
            self._at_work = True
        if waits:
            wish.turn.acquire()
            if wish.done:
                return wish.result()
        with self._lock:
            together, self._waiting = self._waiting, []
        try:
            self._together(together)
        finally:
            with self._lock:
                for each in together:
                    each.done = True
                successor = self._waiting[:1]
                self._at_work = bool(successor)
            for each in (*together, *successor):
                if each is not wish:
                    each.turn.release()
        return wish.result()

    def _together(self, wishes: list[_Wish[Any]]) -> None:
        try:
            with self._transaction() as connection:
                for wish in wishes:
                    wish.attempt(connection)
        except sqlite3.IntegrityError as error:
            # A contradiction of one must not be the failure of all.
            if len(wishes) == 1:
                wishes[0].error = error
                return
            for wish in wishes:
                self._together([wish])
        except BaseException as error:  # noqa: BLE001 - boundary: the thread that wished raises it
            for wish in wishes:
                wish.error = error
