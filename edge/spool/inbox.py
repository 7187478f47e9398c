"""The receiver's side of the disk: acknowledged means that file and journal row survive a power cut."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from edge.domain.arrival import StoredInstance
from edge.domain.identity import AssociationId, SopInstanceUID
from edge.errors import FixConfiguration, InboxFull
from edge.ports import Clock, Reception
from edge.spool.doorbell import ring
from edge.spool.entries import INBOX_DATABASE, Entries
from edge.spool.files import NO_ROOM, private_folder, sync_folder, write_new

_FOLDER = "inbox"
_SHARDS = tuple(f"{shard:02x}" for shard in range(256))
_Parts = tuple[bytes | memoryview, ...]


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a receiver that did not stop in peace left behind; none of the files was acknowledged."""

    temporary_files: int
    unacknowledged_files: int
    aborted_associations: int


class Inbox:
    """ports.InstanceStore on disk; its process holds `exclusive(state_dir, "receiver")`.

    Every new row rings the doorbell. `durable=False` leaves out every sync, for benchmarks alone.
    """

    def __init__(self, state_dir: Path, *, min_free_bytes: int, clock: Clock, durable: bool = True) -> None:
        self._state_dir = private_folder(state_dir)
        self._folder = private_folder(state_dir / _FOLDER)
        self._temporary = private_folder(self._folder / "tmp")
        self._min_free_bytes = min_free_bytes
        self._durable = durable
        for shard in _SHARDS:
            private_folder(self._folder / shard)
        sync_folder(self._folder)
        _refuse_files_without_journal(self._state_dir / INBOX_DATABASE, self._folder)
        self._entries = Entries(state_dir, clock, durable=durable)

    def close(self) -> None:
        """Ends the writing; call it once no association is left."""
        self._entries.close()

    def check(self) -> None:
        """Raises OSError when this process must end, for its journal can no longer be written."""
        self._entries.check()

    def free_bytes(self) -> int:
        """What this process may still write on the file system of the inbox."""
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize

    def association_opened(
        self, association_id: AssociationId, calling: str, called: str, peer_address: str
    ) -> None:
        self._entries.opened(association_id, calling, called, peer_address)
        ring(self._state_dir)

    def association_released(self, association_id: AssociationId) -> None:
        """The first end of an association counts; a second one changes nothing."""
        self._entries.ended(association_id, "association_released", None)
        ring(self._state_dir)

    def association_aborted(self, association_id: AssociationId, reason: str) -> None:
        """The first end of an association counts; a second one changes nothing."""
        self._entries.ended(association_id, "association_aborted", reason)
        ring(self._state_dir)

    def store(
        self,
        association_id: AssociationId,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        preamble_and_meta: bytes,
        dataset: bytes | memoryview,
    ) -> Reception:
        """File, then row, then return. Raises InboxFull or OSError, and then the peer must send again.

        `dataset` alone decides whether two instances are the same: the file meta information names
        the sender (PS3.10 section 7.1).
        """
        parts = (preamble_and_meta, dataset)
        size_bytes = sum(memoryview(part).nbytes for part in parts)
        if self.free_bytes() - size_bytes < self._min_free_bytes:
            raise InboxFull
        name = secrets.token_hex(16)
        offered = StoredInstance(
            sop_instance_uid=SopInstanceUID(sop_instance_uid),
            sop_class_uid=sop_class_uid,
            transfer_syntax_uid=transfer_syntax_uid,
            path=f"{_FOLDER}/{name[:2]}/{name}.dcm",
            sha256=hashlib.sha256(dataset).hexdigest(),
            size_bytes=size_bytes,
        )
        first = self._entries.first(offered.sop_instance_uid)
        if first is None:
            first = self._keep(association_id, offered, parts)
        reception = Reception.STORED
        if first is not None:
            reception = self._repeat(association_id, offered, first, parts)
        ring(self._state_dir)
        return reception

    def recover(self) -> Recovery:
        """Clears up after a crash; call it before the first association."""
        temporary = list(self._temporary.iterdir())
        unacknowledged = [path for shard in _SHARDS for path in self._without_row(shard)]
        for path in (*temporary, *unacknowledged):
            path.unlink()
        still_open = self._entries.open_associations()
        for association_id in still_open:
            self.association_aborted(association_id, "receiver_restarted")
        return Recovery(len(temporary), len(unacknowledged), len(still_open))

    def _keep(
        self, association_id: AssociationId, offered: StoredInstance, parts: _Parts
    ) -> StoredInstance | None:
        """None when `offered` is kept, else the instance another thread was first with."""
        path = self._state_dir / offered.path
        self._write(path, parts)
        try:
            first = self._entries.stored(association_id, offered)
        except InboxFull:
            path.unlink()
            raise
        # Any other error leaves the file: its row may have reached the disk, recover() will know.
        if first is not None:
            path.unlink()
        return first

    def _repeat(
        self, association_id: AssociationId, offered: StoredInstance, first: StoredInstance, parts: _Parts
    ) -> Reception:
        if first.sha256 != offered.sha256:
            self._entries.conflict(association_id, first.sop_instance_uid, offered.sha256)
            return Reception.CONFLICT
        kept = self._state_dir / first.path
        if not kept.exists():
            # Somebody removed the file; an acknowledgement without bytes would be a lie.
            self._write(kept, parts)
        self._entries.duplicate(association_id, first.sop_instance_uid)
        return Reception.DUPLICATE

    def _write(self, path: Path, parts: _Parts) -> None:
        temporary = self._temporary / secrets.token_hex(16)
        written = temporary
        try:
            write_new(temporary, parts, sync=self._durable)
            temporary.rename(path)
            written = path
            if self._durable:
                sync_folder(path.parent)
        except BaseException as error:
            written.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise InboxFull from error
            raise

    def _without_row(self, shard: str) -> list[Path]:
        folder = f"{_FOLDER}/{shard}"
        acknowledged = self._entries.paths_in(folder)
        return [p for p in (self._folder / shard).iterdir() if f"{folder}/{p.name}" not in acknowledged]


def _refuse_files_without_journal(database: Path, folder: Path) -> None:
    """Without its journal every file would look unacknowledged, and recover() would remove it."""
    if not database.exists() and any(folder.glob("[0-9a-f][0-9a-f]/*.dcm")):
        raise FixConfiguration(
            f"{folder} holds instances but {database.name} is missing",
            hint=f"Restore {database.name}, or move {folder} aside and send its files again.",
        )
