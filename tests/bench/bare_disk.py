"""The limit: what this disk does when nothing but the durable write is left."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def write_durably(folder: Path, content: bytes, count: int, threads: int) -> None:
    """`count` files by `threads` threads: write, fdatasync, rename, fsync of the folder; no journal.

    256 folders, one of which is synced for each file, as the inbox has them.
    """
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    for shard in range(256):
        (folder / f"{shard:02x}").mkdir()
    failed: list[OSError] = []

    def work(first: int) -> None:
        try:
            for k in range(first, count, threads):
                _one(temporary / str(k), folder / f"{k * 97 % 256:02x}", content)
        except OSError as error:
            failed.append(error)

    workers = [threading.Thread(target=work, args=(first,)) for first in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failed:
        raise failed[0]


def _one(temporary: Path, shard: Path, content: bytes) -> None:
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
    temporary.rename(shard / temporary.name)
    directory = os.open(shard, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
