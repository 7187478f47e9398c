"""One owner per role and state folder: two writers of one SQLite file would each think they are alone."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Protocol

from edge.errors import FixConfiguration
from edge.spool.files import private_folder

# What a killed owner left behind ends by itself within this, or hangs in the disk.
_FOR_ORPHANS_S, _LOOK_S = 10.0, 0.05


@dataclass(frozen=True, slots=True)
class Held:
    """A role that is held. A process started with it as an argument (spawn) holds it too, until it ends.

    So nobody can follow a killed owner before the last of its processes has ended as well.
    """

    descriptor: int

    def __reduce__(self) -> tuple[object, ...]:
        return _inherited, (DupFd(self.descriptor),)


def _inherited(duplicate: _Descriptor) -> Held:
    return Held(duplicate.detach())


class _Descriptor(Protocol):
    """What DupFd makes for a process that is being started."""

    def detach(self) -> int: ...


@contextmanager
def exclusive(state_dir: Path, role: str) -> Generator[Held]:
    """Holds `role` until the end of the block or of the process, even by kill -9 (flock(2)).

    Raises FixConfiguration with the pid of the owner when another process holds it. Of an owner that is
    dead it waits for what it left behind.
    """
    path = private_folder(state_dir) / f"{role}.lock"
    # The file stays: removing it would let two owners hold two files of the same name.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, role, state_dir)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield Held(descriptor)
    finally:
        os.close(descriptor)


def _take(descriptor: int, role: str, state_dir: Path) -> None:
    pause = threading.Event()
    for _ in range(int(_FOR_ORPHANS_S / _LOOK_S)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            if not _is_dead(owner):
                raise FixConfiguration(
                    f"another {role} (process {owner or 'unknown'}) already uses {state_dir}",
                    hint="Stop it first, or give this one its own appliance.state_dir.",
                ) from error
            pause.wait(_LOOK_S)
        else:
            return
    raise FixConfiguration(
        f"the {role} that used {state_dir} is dead, but not all of its processes",
        hint="One may hang in the disk: see `ps -eo pid,stat,args`, end it or restart the machine.",
    )


def _is_dead(owner: str) -> bool:
    if not owner.isdigit():
        return False
    try:
        os.kill(int(owner), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    try:
        state = Path(f"/proc/{owner}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    # Killed, and not waited for yet: it holds nothing any more (proc(5)).
    return state == "Z"
