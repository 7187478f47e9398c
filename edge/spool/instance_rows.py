"""Instances in the receiver's journal: the row of the first one, and one for each repeat."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from edge.domain.arrival import StoredInstance
from edge.domain.identity import AssociationId, SopInstanceUID
from edge.errors import InboxFull

FIRST_INSTANCE = """
SELECT sop_instance_uid, sop_class_uid, transfer_syntax_uid, path, digest, size_bytes
FROM entry WHERE kind = 'instance_stored' AND sop_instance_uid = ?"""

APPEND_DUPLICATE = """
INSERT INTO entry (kind, association_id, at, sop_instance_uid) VALUES ('duplicate_received', ?, ?, ?)"""

# The file meta information names the sender, so a file that is kept again can have another size.
RESIZE = "UPDATE entry SET size_bytes = ? WHERE kind = 'instance_stored' AND sop_instance_uid = ?"


def first_instance(connection: sqlite3.Connection, uid: SopInstanceUID) -> StoredInstance | None:
    """What is kept under `uid`."""
    row = connection.execute(FIRST_INSTANCE, (uid,)).fetchone()
    return None if row is None else StoredInstance(*row)


def append_repeat(
    connection: sqlite3.Connection,
    association_id: AssociationId,
    at: float,
    uid: SopInstanceUID,
    kept_bytes: Callable[[StoredInstance], int],
) -> OSError | InboxFull | None:
    """None when the row was written, else why `kept_bytes` could not say the size of the first one's file.

    Such an error is returned, for it concerns this instance and not the others of the transaction.
    """
    first = first_instance(connection, uid)
    assert first is not None, "only what has a row is repeated"
    try:
        size_bytes = kept_bytes(first)
    except (OSError, InboxFull) as error:
        return error
    if size_bytes != first.size_bytes:
        connection.execute(RESIZE, (size_bytes, uid))
    connection.execute(APPEND_DUPLICATE, (association_id, at, uid))
    return None
