"""An instance given to the store as a receiver gives it."""

from __future__ import annotations

from edge.domain.identity import AssociationId
from edge.ports import InstanceStore, Reception

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
META = b"\0" * 128 + b"DICM" + b"meta of sender A"


def store(
    inbox: InstanceStore,
    data_set: bytes | memoryview,
    *,
    uid: str = "1.2.3",
    association: str = "here",
    meta: bytes = META,
) -> Reception:
    """All of it in one fragment, after which `abandon` must do nothing."""
    incoming = inbox.begin(AssociationId(association), CT, uid, EXPLICIT, meta)
    try:
        incoming.write(data_set)
        return incoming.commit()
    finally:
        incoming.abandon()
