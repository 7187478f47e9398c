"""A copy of the ledger while the agent writes on, and a copy put back while it does not."""

from __future__ import annotations

import filecmp
import os
import secrets
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from edge.errors import FixConfiguration
from edge.spool import restoring
from edge.spool.audit import Verified, verify
from edge.spool.continuity import (
    LEDGER_ACCEPTED,
    LEDGER_DATABASE,
    LEDGER_MARK,
    accepted_number,
    last_number,
)
from edge.spool.database import open_reader, quick_check, sqlite_errors
from edge.spool.files import sync_folder
from edge.spool.identity_key import appliance_key
from edge.spool.ledger import LEDGER_SCHEMA
from edge.spool.lock import exclusive
from edge.spool.restoring import INCOMING
from edge.spool.trail import trail_length


@contextmanager
def reading_ledger(state_dir: Path) -> Generator[sqlite3.Connection]:
    """A connection that cannot write; raises FixConfiguration when no agent of this version made the file."""
    path = state_dir / LEDGER_DATABASE
    connection = open_reader(path, LEDGER_SCHEMA)
    if connection is None and restoring.broken_off(state_dir):
        raise FixConfiguration(
            f"a restore of the ledger in {state_dir} was broken off",
            hint="Start the agent (edge run), which ends it, or restore again.",
        )
    if connection is None:
        raise FixConfiguration(
            f"there is no ledger of this version in {state_dir}",
            hint="Is appliance.state_dir right? The agent (edge run) makes it or brings it forward.",
        )
    with sqlite_errors(path), closing(connection):
        yield connection


def back_up(state_dir: Path, target: Path) -> Verified:
    """Writes the state of one moment to `target`, wholly or not at all; the agent may write meanwhile.

    Raises FixConfiguration when there is no ledger, and OSError when `target` cannot be written.
    """
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with reading_ledger(state_dir) as ledger, closing(_opened(unfinished)) as copy:
            # In one go, so that no commit in between makes SQLite start over.
            ledger.backup(copy, pages=-1)
            # A file that stands for itself: no write-ahead log has to come along.
            copy.execute("PRAGMA journal_mode = DELETE")
            found = _checked(copy, target, state_dir)
        _synced(unfinished)
        unfinished.rename(target)
        sync_folder(target.parent)
    finally:
        unfinished.unlink(missing_ok=True)
    return found


def put_back(state_dir: Path, source: Path, *, accept_older: bool) -> Verified:
    """Puts the copy `source` in the place of ledger.db, which is kept beside it as restoring.REPLACED.

    Raises FixConfiguration, and changes nothing, while the agent runs, when the copy is damaged, of another
    appliance, or older than what this appliance got to and nobody said that this is meant. One that was put
    back before and not written to since stays as it is, and so does the one that it replaced.
    """
    if not source.is_file():
        raise FixConfiguration(f"there is no file {source}", hint="Name a file of edge ledger backup.")
    with exclusive(state_dir, "agent"):
        new = state_dir / INCOMING
        new.unlink(missing_ok=True)
        restoring.take_back(state_dir)
        try:
            shutil.copyfile(source, new)
            new.chmod(0o600)
            with sqlite_errors(source), closing(_opened(new)) as copy:
                found = _checked(copy, source, state_dir)
                messages = last_number(copy, "outbox")
            reached = accepted_number(state_dir / LEDGER_MARK)
            length = trail_length(state_dir, appliance_key(state_dir)) or 0
            older = messages < reached or found.length < length
            if older and not accept_older:
                raise FixConfiguration(
                    f"{source.name} is an older copy: it ends at message {messages}, link {found.length}; "
                    f"this appliance got to message {reached}, link {length}",
                    hint="With --accept-older it is taken; what of the inbox it does not know is "
                    "analysed and paged again, and acknowledgements since then are lost.",
                )
            if _is_there(state_dir, new) and (not older or (state_dir / LEDGER_ACCEPTED).exists()):
                return found
            _synced(new)
            restoring.take(state_dir, older=older)
        finally:
            new.unlink(missing_ok=True)
    return found


def _is_there(state_dir: Path, copy: Path) -> bool:
    """Whether the ledger is this very copy, with nothing in a log that it has not taken in yet."""
    ledger = state_dir / LEDGER_DATABASE
    logged = (state_dir / f"{LEDGER_DATABASE}-wal").exists()
    return ledger.exists() and not logged and filecmp.cmp(ledger, copy, shallow=False)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _checked(copy: sqlite3.Connection, path: Path, state_dir: Path) -> Verified:
    quick_check(copy, path)
    version = int(copy.execute("PRAGMA user_version").fetchone()[0])
    if version > LEDGER_SCHEMA.version:
        raise FixConfiguration(
            f"{path} has schema {version}, this version knows up to {LEDGER_SCHEMA.version}",
            hint="Install the version that wrote it.",
        )
    if copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'outbox'").fetchone() is None:
        raise FixConfiguration(f"{path} is no ledger", hint="Name a file of edge ledger backup.")
    if copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'trail'").fetchone() is None:
        return Verified(0, "")  # of a version that kept none
    found = verify(copy, None, appliance_key(state_dir))
    if found.broken:
        raise FixConfiguration(
            f"{path} is not what this appliance wrote: {found.broken}",
            hint="Is identity.key in the state folder the one that was there when it was written? Otherwise "
            "edge ledger verify and the log say more; keep the file as evidence.",
        )
    return found


def _synced(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
