"""What somebody asked for at the command line, in a file each until the agent has it in the ledger.

The command must not write to ledger.db, which has one writer, and must work while the agent is away.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from edge.domain.quiet import Quiet, QuietEvent, QuietKind
from edge.spool.files import private_folder, sync_folder

FOLDER = "quiet"


class QuietRequestFiles:
    """quiet_ports.QuietRequests; `unreadable` is given the error of a file that is none of ours."""

    def __init__(self, state_dir: Path, unreadable: Callable[[Exception], None]) -> None:
        self._folder, self._unreadable = state_dir / FOLDER, unreadable

    def waiting(self) -> Sequence[Quiet]:
        found: list[Quiet] = []
        for path in self._folder.glob("*.json"):
            try:
                found.append(_read(path))
            except (ValueError, KeyError, TypeError) as error:
                path.replace(path.with_suffix(".refused"))
                self._unreadable(error)
            except OSError as error:  # read again at the next look
                self._unreadable(error)
        return sorted(found, key=lambda order: (order.at, order.order_id))

    def done(self, order: Quiet) -> None:
        _path(self._folder, order.order_id).unlink(missing_ok=True)
        sync_folder(self._folder)


def leave(state_dir: Path, order: Quiet) -> None:
    """Durable when it returns; raises OSError when it cannot be written."""
    folder = state_dir / FOLDER
    private_folder(folder)
    owner = state_dir.stat()
    path = _path(folder, order.order_id)
    part = path.with_suffix(".part")
    with open(part, "w", encoding="utf-8", opener=_for_us_alone) as file:
        json.dump({**asdict(order), "at": order.at.isoformat(), "until": order.until.isoformat()}, file)
        file.flush()
        if os.geteuid() == 0:  # the agent, which is not root, must read and remove it
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            os.chown(folder, owner.st_uid, owner.st_gid)
        os.fsync(file.fileno())
    part.rename(path)
    sync_folder(folder)


def taken(state_dir: Path, order: Quiet) -> bool:
    """Whether the agent has it."""
    return not _path(state_dir / FOLDER, order.order_id).exists()


def _read(path: Path) -> Quiet:
    said = json.loads(path.read_text(encoding="utf-8"))
    return Quiet(
        order_id=path.stem,
        event=QuietEvent(said["event"]),
        kind=QuietKind(said["kind"]),
        scanner=str(said["scanner"]),
        at=datetime.fromisoformat(said["at"]),
        until=datetime.fromisoformat(said["until"]),
        reason=str(said["reason"]),
        asked_by=str(said["asked_by"]),
    )


def _path(folder: Path, order_id: str) -> Path:
    return folder / f"{order_id}.json"


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
