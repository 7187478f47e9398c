"""One owner per role and state folder: two writers of one SQLite file would each think they are alone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import FixConfiguration
from edge.spool.files import private_folder


@contextmanager
def exclusive(state_dir: Path, role: str) -> Generator[None]:
    """Holds `role` until the end of the block or of the process, even by kill -9 (flock(2)).

    Raises FixConfiguration with the pid of the owner when another process holds it.
    """
    path = private_folder(state_dir) / f"{role}.lock"
    # The file stays: removing it would let two owners hold two files of the same name.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise FixConfiguration(
                f"another {role} (process {owner}) already uses {state_dir}",
                hint="Stop it first, or give this one its own appliance.state_dir.",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)
