"""Files that are either wholly there or not there at all, and readable by nobody else."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from pathlib import Path

# IOV_MAX of writev(2) on Linux.
_MOST_PARTS = 1024
_BLOCK_BYTES = 4096
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def private_folder(path: Path) -> Path:
    """The folder, made with mode 0700 when it was missing; an existing one keeps its mode."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


class NewFile:
    """A file that did not exist, mode 0600, written from front to end; for one thread at a time."""

    _how = os.O_WRONLY | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL

    def __init__(self, path: str | Path) -> None:
        self._descriptor: int | None = os.open(path, self._how, 0o600)

    def write(self, *parts: bytes | memoryview) -> None:
        """All of them in one call of the system, if they are not too many for one."""
        assert self._descriptor is not None, "the file is closed"
        if 1 < len(parts) <= _MOST_PARTS:
            written = os.writev(self._descriptor, parts)
            for part in parts:
                if written < len(part):
                    self._write_one(memoryview(part)[written:])
                written = max(0, written - len(part))
        else:
            for part in parts:
                self._write_one(part)

    def _write_one(self, part: bytes | memoryview) -> None:
        assert self._descriptor is not None, "the file is closed"
        written = os.write(self._descriptor, part)
        while written < len(part):
            written += os.write(self._descriptor, memoryview(part)[written:])

    def cut(self, size_bytes: int) -> None:
        assert self._descriptor is not None, "the file is closed"
        os.ftruncate(self._descriptor, size_bytes)

    def sync(self) -> None:
        """Afterwards its bytes survive a power cut."""
        assert self._descriptor is not None, "the file is closed"
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """A second time does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class WrittenOver(NewFile):
    """One that exists, written from its front in whole blocks: the kernel would read the rest of any other.

    What does not fill a block waits for more, or for `sync`, which fills it with zeros.
    """

    _how = os.O_WRONLY | os.O_CLOEXEC

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._waiting = b""

    def write(self, *parts: bytes | memoryview) -> None:
        size_bytes = len(self._waiting) + sum(map(len, parts))
        over = size_bytes % _BLOCK_BYTES
        *whole, last = (self._waiting, *parts)
        if len(last) < over:
            *whole, last = (b"".join((*whole, last)),)
        at = len(last) - over
        self._waiting = bytes(last[at:])
        super().write(*whole, last[:at])

    def sync(self) -> None:
        if self._waiting:
            self.write(bytes(_BLOCK_BYTES - len(self._waiting)))
        super().sync()


def write_new(path: Path, content: bytes) -> None:
    """Writes a file that did not exist, mode 0600; its bytes survive a power cut."""
    with closing(NewFile(path)) as file:
        file.write(content)
        file.sync()


def sync_folder(path: str | Path) -> None:
    """Makes the names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
