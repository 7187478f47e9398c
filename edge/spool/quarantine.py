"""Instances that could not be read, kept for whoever has to find out why: bytes, reason and time, no UID."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock

from edge.domain.arrival import StoredInstance
from edge.domain.identity import token
from edge.domain.series import UnusableInstance
from edge.domain.unusable import UnusableReason
from edge.imaging.volume import Content
from edge.ports import Clock, PixelSource
from edge.spool.files import private_folder, write_new
from edge.telemetry.events import Happening, QuarantineMeasured

FOLDER = "quarantine"
# Bounds the folder for instances of a few bytes, of which any number would fit.
MOST_ENTRIES = 10_000
# There are no bytes, or nothing is wrong with them.
_NOTHING_TO_KEEP = frozenset({UnusableReason.FILE_UNAVAILABLE, UnusableReason.INBOX_UNREADABLE})


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """One instance in the folder; `instance` is its token, and the name of its two files."""

    instance: str
    reason: str
    at: str
    size_bytes: int


class Quarantine:
    """The folder and its index, one small JSON file beside each instance; the oldest make room for new ones.

    The bytes are a second name of the inbox's own file, so they take no space until the inbox lets go
    of them. Its process holds `exclusive(state_dir, "agent")`; any of its threads may call.
    """

    def __init__(
        self,
        state_dir: Path,
        key: bytes,
        *,
        max_bytes: int,
        clock: Clock,
        emit: Callable[[Happening], None],
    ) -> None:
        self._state_dir, self._folder = state_dir, private_folder(state_dir / FOLDER)
        self._key, self._max_bytes, self._clock, self._emit = key, max_bytes, clock, emit
        self._turn = Lock()
        self._entries = {e.instance: e for e in entries(state_dir)}
        for path in self._folder.iterdir():
            if path.stem not in self._entries:
                path.unlink()  # a crash came between the two files
        self._measure()

    def keep(self, instance: StoredInstance, reason: UnusableReason) -> bool:
        """Whether the bytes are in the folder now; what is larger than all of it is not, nor what is gone.

        Raises OSError when the disk fails.
        """
        name = token(self._key, "instance", instance.sop_instance_uid, instance.path)
        with self._turn:
            if name in self._entries:
                return True
            source = self._state_dir / instance.path
            try:
                size_bytes = source.stat().st_size
            except FileNotFoundError:
                return False
            if size_bytes > self._max_bytes:
                return False
            self._make_room(size_bytes)
            at = self._clock.utc().isoformat(timespec="milliseconds")
            entry = QuarantineEntry(name, reason.value, at, size_bytes)
            _second_name(source, self._folder / f"{name}.dcm")
            write_new(self._folder / f"{name}.json", json.dumps(asdict(entry)).encode())
            self._entries[name] = entry
            self._measure()
            return True

    def _make_room(self, size_bytes: int) -> None:
        held = sum(e.size_bytes for e in self._entries.values())
        for entry in sorted(self._entries.values(), key=lambda e: e.at):
            if held + size_bytes <= self._max_bytes and len(self._entries) < MOST_ENTRIES:
                return
            for suffix in (".json", ".dcm"):
                (self._folder / f"{entry.instance}{suffix}").unlink(missing_ok=True)
            del self._entries[entry.instance]
            held -= entry.size_bytes

    def _measure(self) -> None:
        held = sum(e.size_bytes for e in self._entries.values())
        self._emit(QuarantineMeasured(len(self._entries), held))


class QuarantiningReader:
    """A PixelSource that has another one's damaged instances kept."""

    def __init__(
        self, source: PixelSource, quarantine: Quarantine, failed: Callable[[OSError], None]
    ) -> None:
        self._source, self._quarantine, self._failed = source, quarantine, failed

    def read(self, instance: StoredInstance) -> Content:
        """What the source makes of it. That it could not be kept is told, and holds up nobody."""
        found = self._source.read(instance)
        if isinstance(found, UnusableInstance) and found.unreadable and found.reason not in _NOTHING_TO_KEEP:
            try:
                self._quarantine.keep(instance, found.reason)
            except OSError as error:
                self._failed(error)
        return found


def entries(state_dir: Path) -> list[QuarantineEntry]:
    """What is in the folder, oldest first; needs no lock."""
    found: list[QuarantineEntry] = []
    for path in (state_dir / FOLDER).glob("*.json"):
        # The agent may take an entry away, or be writing one, while we look; it is none then.
        with suppress(FileNotFoundError, ValueError, TypeError):
            entry = QuarantineEntry(**json.loads(path.read_bytes()))
            datetime.fromisoformat(entry.at)
            if path.with_suffix(".dcm").exists() and entry.instance == path.stem:
                found.append(entry)
    return sorted(found, key=lambda e: e.at)


def _second_name(source: Path, name: Path) -> None:
    name.unlink(missing_ok=True)
    try:
        os.link(source, name)
    except OSError:  # a file system without hard links, or another one
        shutil.copyfile(source, name)
        name.chmod(0o600)
