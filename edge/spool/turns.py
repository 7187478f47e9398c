"""Processes that write one file by turns, and tell each other when it can no longer be trusted."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

_FAILED = b"failed\n"


class Turns:
    """flock(2) on a file of its own: whoever waits is woken at once, and a dead process holds nothing.

    One thread of a process at a time. `first` forgets the failure of an earlier run.
    """

    def __init__(self, path: Path, *, first: bool) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if first:
            os.ftruncate(self._descriptor, 0)

    def __enter__(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def fail(self) -> None:
        """After a failed sync the kernel forgets the lost pages: what the others commit may stand on them."""
        os.pwrite(self._descriptor, _FAILED, 0)

    def failed(self) -> bool:
        """Whether any of the processes said so since the first began."""
        return bool(os.pread(self._descriptor, 1, 0))

    def close(self) -> None:
        os.close(self._descriptor)
