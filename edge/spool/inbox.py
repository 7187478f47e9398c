"""The receiver's side of the disk: acknowledged means that file and journal row survive a power cut."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.domain.announcement import Announcement
from edge.domain.identity import AssociationId, SopInstanceUID
from edge.errors import FixConfiguration
from edge.ports import Clock
from edge.spool.blanks import FOLDER, PART, Blanks, finish_part, holds_an_instance, parts_of, whole_path
from edge.spool.doorbell import Bell
from edge.spool.entries import INBOX_DATABASE, Entries
from edge.spool.files import private_folder, sync_folder
from edge.spool.incoming import Disk, IncomingInstance, Named
from edge.spool.removals import Removals

# Blanks must not be what brings the disk to its floor.
_ROOM_FOR_BLANKS = 1 << 30
# A row is no longer than the data set it was read from, 1 MiB at most, and its index takes less.
_ROOM_FOR_A_WORD = 2 << 20
_UNJOURNALED = "unjournaled"
_SHARDS = tuple(f"{shard:02x}" for shard in range(256))


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a start found: after a crash, or after a journal from a backup took the place of a later one.

    `unjournaled_files` is all that waits in the folder of that name, `lost_entries` what the journal
    lacks of an earlier run.
    """

    temporary_files: int
    unjournaled_files: int
    aborted_associations: int
    lost_entries: int = 0

    def __str__(self) -> str:
        said = f"{self.temporary_files} temporary files, {self.aborted_associations} open associations"
        if self.lost_entries:
            said += f"; the journal is an older copy and lacks {self.lost_entries} entries"
        if self.unjournaled_files:
            said += (
                f"; {self.unjournaled_files} files of no journal entry wait in {FOLDER}/{_UNJOURNALED}: "
                "send them again with `edge send --folder`, then remove them"
            )
        return said


class Inbox:
    """ports.InstanceStore on disk; its process holds `exclusive(state_dir, "receiver")`.

    Further processes of the same receiver give `joining` once that one has done `recover`; each opens its
    own. Every new row rings the doorbell. `blanks` files are kept ready to be written over (blanks.py).
    `durable=False` leaves out every sync, for benchmarks alone.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        min_free_bytes: int,
        clock: Clock,
        durable: bool = True,
        joining: bool = False,
        blanks: int = 0,
    ) -> None:
        self._state_dir = private_folder(state_dir)
        self._folder = private_folder(state_dir / FOLDER)
        self._unjournaled = private_folder(self._folder / _UNJOURNALED)
        if not joining:
            for shard in _SHARDS:
                private_folder(self._folder / shard)
            sync_folder(self._folder)
            _refuse_files_without_journal(self._state_dir / INBOX_DATABASE, self._folder)
        self._entries = Entries(state_dir, clock, durable=durable, joining=joining)
        # What blanks save is a commit of the file system, which nobody waits for without syncs.
        self._blanks = Blanks(self._folder, blanks if durable else 0, self._has_room)
        self._bell = Bell(state_dir)
        self._disk = Disk(state_dir, self._entries, self._blanks, self._bell, min_free_bytes, durable)
        if joining:
            self._blanks.start()

    def close(self) -> None:
        """Ends the writing; call it once no association is left."""
        self._blanks.close()
        self._entries.close()
        self._bell.close()

    def check(self) -> None:
        """Raises OSError when this process must end, for its journal can no longer be written."""
        self._entries.check()

    def free_bytes(self) -> int:
        """What this process may still write on the file system of the inbox."""
        return self._disk.free_bytes()

    def association_opened(
        self, association_id: AssociationId, calling: str, called: str, peer_address: str
    ) -> None:
        self._entries.opened(association_id, calling, called, peer_address)
        self._bell.ring()

    def association_released(self, association_id: AssociationId) -> None:
        """The first end of an association counts; a second one changes nothing."""
        self._entries.ended(association_id, "association_released", None)
        self._bell.ring()

    def association_aborted(self, association_id: AssociationId, reason: str) -> None:
        """The first end of an association counts; a second one changes nothing."""
        self._entries.ended(association_id, "association_aborted", reason)
        self._bell.ring()

    def begin(
        self,
        association_id: AssociationId,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        preamble_and_meta: bytes,
    ) -> IncomingInstance:
        """See the port."""
        named = Named(association_id, SopInstanceUID(sop_instance_uid), sop_class_uid, transfer_syntax_uid)
        return IncomingInstance(self._disk, named, preamble_and_meta)

    def removals(self) -> Removals:
        """What the agent asks to be removed, for one thread of the first process."""
        return Removals(self._state_dir, self._entries)

    def process_ended(self, process: int) -> int:
        """Aborts what a process that is no more left open, for its parent to call; returns how many.

        The parts it left are removed: an instance that it has a row of is whole.
        """
        try:
            for part in parts_of(self._folder, process):
                part.unlink(missing_ok=True)
        finally:
            left_open = self._entries.carried_by(process)
            for association_id in left_open:
                self.association_aborted(association_id, "receiver_process_ended")
        return len(left_open)

    def announce(
        self, association_id: AssociationId, announcement: Announcement, *, after: Announcement | None
    ) -> bool:
        """See dicom.announcing.AnnouncementStore."""
        self._disk.require_room(_ROOM_FOR_A_WORD)
        written = self._entries.announced(association_id, announcement, after)
        self._bell.ring()
        return written

    def announcement(self, uid: str) -> Announcement | None:
        return self._entries.announcement(uid)

    def words(self, uid: str) -> int:
        return self._entries.words(uid)

    def recover(self) -> Recovery:
        """Clears up after a crash; call it before the first association and before another process joins.

        A whole file without a row is set aside and never removed: a crash leaves one at most per
        association, but with a journal from a backup it is every instance acknowledged since.
        """
        halves = sum(self._cleared(shard) for shard in _SHARDS)
        self._entries.reserve()
        still_open = self._entries.open_associations()
        for association_id in still_open:
            self.association_aborted(association_id, "receiver_restarted")
        unjournaled = sum(1 for _ in self._unjournaled.iterdir())
        self._blanks.start()
        return Recovery(halves, unjournaled, len(still_open), self._entries.lost)

    def _cleared(self, shard: str) -> int:
        """How many parts of instances were removed."""
        folder = self._folder / shard
        sizes = self._entries.sizes_in(f"{FOLDER}/{shard}")
        found = {path: f"{FOLDER}/{shard}/{whole_path(path).name}" for path in folder.iterdir()}
        parts = [path for path in found if path.suffix == PART]
        without_row = [path for path in found if path.suffix != PART and found[path] not in sizes]
        halves = 0
        for part in parts:
            if found[part] in sizes:
                # A power cut took the name, which was not synced; the bytes were.
                finish_part(part, sizes[found[part]])
            elif not holds_an_instance(part):
                part.unlink()
            elif self._entries.lost:
                without_row.append(part)  # what the journal lacks may be this
            else:
                part.unlink()
                halves += 1
        for path in without_row:
            # Names are random: an equal one is the same file, put back by hand.
            path.rename(self._unjournaled / whole_path(path).name)
        if without_row:
            sync_folder(self._unjournaled)
        if without_row or parts:
            sync_folder(folder)
        return halves

    def _has_room(self, size_bytes: int) -> bool:
        return self.free_bytes() - size_bytes > self._disk.min_free_bytes + _ROOM_FOR_BLANKS


def _refuse_files_without_journal(database: Path, folder: Path) -> None:
    """Without its journal every file would be one without a row, and none be analysed again."""
    if not database.exists() and any(folder.glob("[0-9a-f][0-9a-f]/*.dcm")):
        raise FixConfiguration(
            f"{folder} holds instances but {database.name} is missing",
            hint=f"Restore {database.name}, or move {folder} aside and send its files again.",
        )
