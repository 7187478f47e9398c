"""Files that are either wholly there or not there at all, and readable by nobody else."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def private_folder(path: Path) -> Path:
    """The folder, made with mode 0700 when it was missing; an existing one keeps its mode."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write_new(path: Path, parts: Iterable[bytes | memoryview], *, sync: bool = True) -> None:
    """Writes a file that did not exist, mode 0600; with `sync` its bytes survive a power cut."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for part in parts:
            rest = memoryview(part).cast("B")
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        if sync:
            os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Makes the names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
