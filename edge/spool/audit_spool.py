"""Audit messages on their way out: a file each until the repository has it, and the site's own file."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path

from edge.ports import Clock
from edge.spool.files import private_folder, sync_folder, write_new

_UNFINISHED = ".part"
_NAME_DIGITS = 20


class AuditSpool:
    """At most `most` messages in the folder `audit` of the state folder; several processes may `put`.

    Raises OSError when the disk does not take one.
    """

    def __init__(self, state_dir: Path, most: int, clock: Clock) -> None:
        self._folder = private_folder(state_dir / "audit")
        self._most, self._clock, self._numbers = most, clock, count(1)

    def put(self, message: bytes) -> bool:
        """Durable when it returns; False, and nothing is kept, when there is no room."""
        if len(self._names()) >= self._most:
            return False
        at_ns = int(self._clock.utc().timestamp() * 1e9)
        path = self._folder / f"{at_ns:0{_NAME_DIGITS}d}-{os.getpid()}-{next(self._numbers)}"
        unfinished = path.with_suffix(_UNFINISHED)
        try:
            write_new(unfinished, message)
            unfinished.rename(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        sync_folder(self._folder)
        return True

    def waiting(self) -> Sequence[str]:
        """Names of messages, the oldest first."""
        return sorted(self._names())

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def done(self, names: Iterable[str]) -> None:
        """The repository has them; a second time does nothing."""
        for name in names:
            (self._folder / name).unlink(missing_ok=True)

    def age_s(self, name: str) -> float:
        """Since it was put, never negative."""
        return max(0.0, self._clock.utc().timestamp() - int(name[:_NAME_DIGITS]) / 1e9)

    def _names(self) -> list[str]:
        return [entry.name for entry in os.scandir(self._folder) if not entry.name.endswith(_UNFINISHED)]


class AuditFile:
    """One message a line, appended and synced; opened for each, so that whoever rotates it need not ask."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, message: bytes) -> None:
        """Raises OSError, and then nothing of it is in the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # Both programs append, and a disk may fill in the middle of a line.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            before = os.fstat(descriptor).st_size
            try:
                rest = memoryview(message + b"\n")
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fdatasync(descriptor)
            except OSError:
                os.ftruncate(descriptor, before)
                raise
        finally:
            os.close(descriptor)


class AuditMark:
    """Up to which entry of the journal transfers were told."""

    def __init__(self, state_dir: Path, *, first: int) -> None:
        """`first` is where it begins when audit messages are new to this state folder."""
        self._path = private_folder(state_dir) / "audit.mark"
        text = self._path.read_text("ascii") if self._path.exists() else ""
        self.reached = int(text) if text.strip().isdecimal() else first
        if not text:
            self.note(first)

    def note(self, sequence: int) -> None:
        """Durable when it returns."""
        self.reached = max(self.reached, sequence)
        unfinished = self._path.with_suffix(_UNFINISHED)
        unfinished.unlink(missing_ok=True)
        write_new(unfinished, f"{self.reached}\n".encode("ascii"))
        unfinished.rename(self._path)
        sync_folder(self._path.parent)
