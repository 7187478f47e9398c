"""Names that identify things, checked once at the door."""

from __future__ import annotations

import hashlib
import hmac
from typing import NewType, Self

SopInstanceUID = NewType("SopInstanceUID", str)
SeriesInstanceUID = NewType("SeriesInstanceUID", str)
StudyInstanceUID = NewType("StudyInstanceUID", str)
AssociationId = NewType("AssociationId", str)


class AETitle(str):
    """1-16 characters of the default repertoire, no backslash, not all spaces (PS3.5 6.2, VR AE)."""

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        title = value.strip(" ")
        if not 1 <= len(title) <= 16:
            raise ValueError(f"an AE title has 1 to 16 characters, this one has {len(title)}")
        if any(not 0x20 <= ord(c) < 0x7F or c == "\\" for c in title):
            raise ValueError("an AE title holds printable ASCII without backslash")
        return super().__new__(cls, title)


def token(key: bytes, *parts: str) -> str:
    """24 hex digits that name `parts` without revealing them: HMAC-SHA256 under the appliance's key.

    Equal parts give equal tokens on one appliance, so a retry keeps its id (RFC 2104).
    """
    message = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in parts)
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:24]
