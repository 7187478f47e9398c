"""One instance on its way to the disk: fragments go straight to the file, none of it stays in memory."""

from __future__ import annotations

import errno
import os
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from edge.domain.arrival import Reception, StoredInstance
from edge.domain.identity import AssociationId, SopInstanceUID
from edge.errors import InboxFull
from edge.spool.blanks import FOLDER, Blanks, part_name, whole_name
from edge.spool.data_set_digest import digest_like
from edge.spool.doorbell import Bell
from edge.spool.entries import Entries
from edge.spool.files import NO_ROOM, NewFile, WrittenOver, sync_folder

# How much is written between two looks at the free space.
_LOOK_EVERY_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Disk:
    """What instances on their way share; without `durable` nothing is synced."""

    state_dir: Path
    entries: Entries
    blanks: Blanks
    bell: Bell
    min_free_bytes: int
    durable: bool

    def path(self, relative: str) -> str:
        """Of what a row names; text and no Path, which would take as long as all its calls of the system."""
        return f"{self.state_dir}/{relative}"

    def free_bytes(self) -> int:
        """What this process may still write on the file system of the inbox."""
        disk = os.statvfs(self.path(FOLDER))
        return disk.f_bavail * disk.f_frsize

    def require_room(self, size_bytes: int) -> None:
        """Raises InboxFull when `size_bytes` more would go below the floor."""
        if self.free_bytes() - size_bytes < self.min_free_bytes:
            raise InboxFull

    def holds(self, first: StoredInstance) -> bool:
        """Whether its file is there and whole; another size is a repeat that a crash kept from its row."""
        try:
            return os.stat(self.path(first.path)).st_size == first.size_bytes
        except FileNotFoundError:
            return False


@dataclass(frozen=True, slots=True)
class Named:
    """What is known of an instance before its data set comes."""

    association_id: AssociationId
    sop_instance_uid: SopInstanceUID
    sop_class_uid: str
    transfer_syntax_uid: str


class IncomingInstance:
    """ports.Incoming on disk. Of a repeat only the digest is made, unless somebody removed the first file."""

    def __init__(self, disk: Disk, named: Named, preamble_and_meta: bytes) -> None:
        self._disk, self._named = disk, named
        self._size_bytes = len(preamble_and_meta)
        self._unlooked_bytes = 0
        self._file: NewFile | None = None
        self._is_new = self._took = False
        # What exists of it under this name, relative to the state folder, goes when it is given up.
        self._path: str | None = None
        # Goes into the file together with the first fragment.
        self._head: tuple[bytes, ...] = (preamble_and_meta,)
        disk.require_room(self._size_bytes)
        first = disk.entries.first(named.sop_instance_uid)
        self._is_repeat = first is not None
        self._digest = digest_like(first and first.digest)
        if first is None or not disk.holds(first):
            self._open()

    def write(self, *fragments: bytes | memoryview) -> None:
        """See the port."""
        size_bytes = 0
        for fragment in fragments:
            self._digest.update(fragment)
            size_bytes += len(fragment)
        self._size_bytes += size_bytes
        if self._file is None:
            return
        self._unlooked_bytes += size_bytes
        if self._unlooked_bytes > _LOOK_EVERY_BYTES:
            self._disk.require_room(size_bytes)
            self._unlooked_bytes = 0
        self._put(self._file, *fragments)

    def commit(self) -> Reception:
        """File, then row, then return."""
        try:
            reception = self._committed()
        finally:
            self.abandon()
        self._disk.bell.ring()
        return reception

    def abandon(self) -> None:
        """See the port."""
        file, self._file = self._file, None
        path, self._path = self._path, None
        if file is not None:
            file.close()
        if self._took:
            self._took = False
            self._disk.blanks.written()
        if path is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._disk.path(path))

    def _open(self) -> None:
        blank, self._took = self._disk.blanks.take(), True
        # Before it is opened: a blank that cannot be opened goes as well.
        self._path = f"{FOLDER}/{blank or part_name()}"
        self._is_new = blank is None
        try:
            self._file = (NewFile if self._is_new else WrittenOver)(self._disk.path(self._path))
        except BaseException as error:
            self.abandon()
            _say_if_full(error)
            raise

    def _put(self, file: NewFile, *fragments: bytes | memoryview) -> None:
        head, self._head = self._head, ()
        try:
            file.write(*head, *fragments)
        except OSError as error:
            _say_if_full(error)
            raise

    def _committed(self) -> Reception:
        entries, named = self._disk.entries, self._named
        # A repeat has no file of its own, and no use for the path.
        offered = StoredInstance(
            sop_instance_uid=named.sop_instance_uid,
            sop_class_uid=named.sop_class_uid,
            transfer_syntax_uid=named.transfer_syntax_uid,
            path=whole_name(self._path) if self._path else "",
            digest=self._digest.hexdigest(),
            size_bytes=self._size_bytes,
        )
        first = entries.first(offered.sop_instance_uid) if self._is_repeat else None
        if first is None:
            first = self._kept(offered)
        if first is None:
            return Reception.STORED
        if first.digest != offered.digest:
            entries.conflict(named.association_id, first.sop_instance_uid, offered.digest)
            return Reception.CONFLICT
        self._repeated(first)
        return Reception.DUPLICATE

    def _repeated(self, first: StoredInstance) -> None:
        try:
            self._disk.entries.duplicate(self._named.association_id, first.sop_instance_uid, self._kept_bytes)
        finally:
            if self._path == first.path:
                # Even without a row for this one: another repeat may count on the file by now.
                self._path = None

    def _kept_bytes(self, first: StoredInstance) -> int:
        """Of the file of the first one, or this one in its place: without bytes an answer would be a lie."""
        if self._disk.holds(first):
            return first.size_bytes
        self._move_to(first.path)
        return self._size_bytes

    def _kept(self, offered: StoredInstance) -> StoredInstance | None:
        """None when `offered` is kept, else the instance another thread was first with."""
        self._move_to(offered.path)
        try:
            first = self._disk.entries.stored(self._named.association_id, offered)
        except InboxFull:
            raise
        except BaseException:
            # The row may have reached the disk; recovery knows what to do with the file.
            self._path = None
            raise
        if first is None:
            self._path = None
        return first

    def _move_to(self, path: str) -> None:
        """Durable when it returns, under this name or that of the part, which recovery then changes.

        Size before name, so that no power cut leaves a name without its size.
        """
        if self._path is None:
            raise FileNotFoundError(errno.ENOENT, "the file of a repeat went away while it came", path)
        own = path == whole_name(self._path)
        target = self._disk.path(path)
        try:
            if self._file is not None:
                if self._head:
                    self._put(self._file)
                file, self._file = self._file, None
                self._seal(file)
            if self._disk.durable and self._is_new and own:
                sync_folder(os.path.dirname(target))
            os.rename(self._disk.path(self._path), target)
            self._path = path
            if self._disk.durable and not own:
                sync_folder(os.path.dirname(target))
        except OSError as error:
            _say_if_full(error)
            raise

    def _seal(self, file: NewFile) -> None:
        with closing(file):
            if self._disk.durable:
                file.sync()
            if not self._is_new:
                file.cut(self._size_bytes)


def _say_if_full(error: BaseException) -> None:
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        raise InboxFull from error
