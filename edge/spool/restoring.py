"""A ledger that takes the place of another, in steps of which each may be the last of a process.

A copy that is whole and durable gets a name that says so; from then on it is the ledger, and whoever opens
that next ends what was begun. Until then nothing of the one that is there was touched.
"""

from __future__ import annotations

from pathlib import Path

from edge.spool.continuity import LEDGER_ACCEPTED, LEDGER_DATABASE, LEDGER_MARK
from edge.spool.files import sync_folder

REPLACED = "ledger.replaced.db"
# Being copied; then whole, and as new as what this appliance got to, or older and taken all the same.
INCOMING = "ledger.incoming.db"
_TAKEN, _TAKEN_THOUGH_OLDER = "ledger.restored.db", "ledger.restored-older.db"
# The log of one database must never lie beside another: SQLite would read it into that.
_OF_ONE_FILE = ("", "-wal", "-shm")


def broken_off(state_dir: Path) -> bool:
    """Whether a restore was begun that nobody has ended yet."""
    return any((state_dir / name).exists() for name in (_TAKEN, _TAKEN_THOUGH_OLDER))


def take(state_dir: Path, *, older: bool) -> None:
    """Puts INCOMING, which is synced, in the place of the ledger; needs the lock of the agent."""
    for part in _OF_ONE_FILE:
        (state_dir / f"{REPLACED}{part}").unlink(missing_ok=True)
    (state_dir / INCOMING).rename(state_dir / (_TAKEN_THOUGH_OLDER if older else _TAKEN))
    sync_folder(state_dir)
    end(state_dir)


def end(state_dir: Path) -> None:
    """Ends a restore that was broken off, if one was; needs the lock of the agent."""
    (state_dir / INCOMING).unlink(missing_ok=True)
    for name in (_TAKEN, _TAKEN_THOUGH_OLDER):
        if not (state_dir / name).exists():
            continue
        for part in _OF_ONE_FILE:
            _move(state_dir, f"{LEDGER_DATABASE}{part}", f"{REPLACED}{part}")
        if name == _TAKEN_THOUGH_OLDER:
            _move(state_dir, LEDGER_MARK, LEDGER_ACCEPTED)
        sync_folder(state_dir)
        (state_dir / name).rename(state_dir / LEDGER_DATABASE)
        sync_folder(state_dir)


def take_back(state_dir: Path) -> None:
    """Undoes a restore that was broken off, if one was, for another begins; needs the lock of the agent."""
    for name in (_TAKEN, _TAKEN_THOUGH_OLDER):
        if not (state_dir / name).exists():
            continue
        for part in reversed(_OF_ONE_FILE):
            if not (state_dir / f"{LEDGER_DATABASE}{part}").exists():
                _move(state_dir, f"{REPLACED}{part}", f"{LEDGER_DATABASE}{part}")
        if name == _TAKEN_THOUGH_OLDER and not (state_dir / LEDGER_MARK).exists():
            _move(state_dir, LEDGER_ACCEPTED, LEDGER_MARK)
        sync_folder(state_dir)
        (state_dir / name).unlink()
        sync_folder(state_dir)


def _move(state_dir: Path, old: str, new: str) -> None:
    if (state_dir / old).exists():
        (state_dir / old).rename(state_dir / new)
