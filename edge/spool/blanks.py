"""Files made ahead, for an instance to be written over.

A new file costs a commit of the file system's own journal before its bytes are durable, and that waits for
whatever else the machine writes. Over blocks that are there already, under a name that is durable, a sync
writes the bytes and nothing else. The zeros go past the page cache, which would triple the
cost. Figures: ARCHITECTURE.md, "What a durable slice costs".
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from mmap import mmap
from pathlib import Path

from edge.spool.files import sync_folder

FOLDER = "inbox"
# An uncompressed 512x512 slice and 64 KiB of header; what is larger grows the file, and pays for that alone.
BLANK_BYTES = 576 << 10
# What is not yet, or never became, a whole instance.
PART = ".part"
_BATCH = 16
# A scanner that sends what it has just reconstructed leaves more than that between two slices.
_QUIET_S = 0.02
_LOOK_EVERY_S = 0.05


def part_name() -> str:
    """One nobody has, in the folder of its first two digits; it says which process the part is of."""
    name = secrets.token_hex(16)
    return f"{name[:2]}/{name}.{os.getpid()}{PART}"


def whole_name(part: str) -> str:
    """What the part is called as a whole instance, in the same folder."""
    return f"{part.removesuffix(PART).rpartition('.')[0]}.dcm"


def whole_path(part: Path) -> Path:
    """Where the part will be as a whole instance."""
    return part.with_name(whole_name(part.name))


def parts_of(folder: Path, process: int) -> list[Path]:
    """What a process that is no more left behind."""
    return list(folder.glob(f"[0-9a-f][0-9a-f]/*.{process}{PART}"))


class Blanks:
    """Keeps `count` blanks ready in a thread of its own, while `room` says that so many bytes may be had.

    It makes none while several instances are written at once or one comes right after the other: who sends
    as fast as the disk takes it would wait for the blanks as well, for longer than they save.
    They belong to this process: what is left of them after kill -9 the next recovery removes.
    """

    def __init__(self, folder: Path, count: int, room: Callable[[int], bool]) -> None:
        self._folder, self._count, self._room = folder, count, room
        self._ready: deque[str] = deque()
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._writing, self._latest = 0, 0.0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        # In pages, as O_DIRECT wants them; the kernel has one page of zeros for all that nobody wrote to.
        self._zeros = memoryview(mmap(-1, BLANK_BYTES))

    def start(self) -> None:
        """Not before a recovery has removed what an earlier run left."""
        if self._count:
            self._wanted.set()
            self._thread = threading.Thread(target=self._keep_ready, name="blanks", daemon=True)
            self._thread.start()

    def __len__(self) -> int:
        return len(self._ready)

    def take(self) -> str | None:
        """The name of a blank to write over and rename, or None; either way `written` must follow."""
        with self._lock:
            self._writing += 1
            self._latest = time.monotonic()
        try:
            return self._ready.popleft()
        except IndexError:
            return None

    def written(self) -> None:
        """The instance that asked for a blank is kept or given up."""
        with self._lock:
            self._writing -= 1
            self._latest = time.monotonic()
        if len(self._ready) < self._count and not self._wanted.is_set():
            self._wanted.set()

    def close(self) -> None:
        """Removes what was not taken."""
        self._stopping.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()
        while self._ready:
            (self._folder / self._ready.popleft()).unlink(missing_ok=True)

    def _keep_ready(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait()
            self._wanted.clear()  # whatever makes it busy from here on ends, and then wants some
            while self._busy() and not self._stopping.wait(_LOOK_EVERY_S):
                pass
            while not self._stopping.is_set() and not self._busy() and len(self._ready) < self._count:
                if not self._room(_BATCH * BLANK_BYTES) or not self._made():
                    break  # an instance does without, and says so itself if the disk is at an end

    def _busy(self) -> bool:
        return self._writing > 1 or time.monotonic() - self._latest < _QUIET_S

    def _made(self) -> bool:
        """A batch in one folder, so that one sync is for all the names; False when the disk would not."""
        shard = part_name()[:2]
        names = [f"{shard}/{shard}{part_name()[5:]}" for _ in range(_BATCH)]
        with ExitStack() as opened:
            try:
                descriptors = [self._zeroed(self._folder / name, opened) for name in names]
                for descriptor in descriptors:
                    os.fdatasync(descriptor)
                sync_folder(self._folder / shard)
            except OSError:
                for name in names:
                    (self._folder / name).unlink(missing_ok=True)
                return False
        self._ready.extend(names)
        return True

    def _zeroed(self, path: Path, opened: ExitStack) -> int:
        how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            descriptor = os.open(path, how | os.O_DIRECT, 0o600)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            # A file system that knows only its page cache, but it may have made the name.
            path.unlink(missing_ok=True)
            descriptor = os.open(path, how, 0o600)
        opened.callback(os.close, descriptor)
        os.posix_fallocate(descriptor, 0, BLANK_BYTES)
        rest = self._zeros
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        return descriptor


def finish_part(part: Path, size_bytes: int) -> None:
    """Gives a part whose row is durable its size and its name, which a power cut took from it."""
    os.truncate(part, size_bytes)
    part.rename(whole_path(part))


def holds_an_instance(part: Path) -> bool:
    """Whether somebody began to write an instance into it (PS3.10 section 7.1)."""
    with part.open("rb") as opened:
        return opened.read(132)[128:] == b"DICM"
