"""Names that identify things, checked once at the door."""

from __future__ import annotations

import hashlib
import hmac
import re
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


class CertificateName(str):
    """What a certificate is known by: `sha256:` its fingerprint, `dns:` a name in it, or `subject:` its own.

    Fingerprints lose colons and case, DNS names their case; a subject is RFC 4514 text, kept as it is.
    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        kind, _, name = value.strip().partition(":")
        if kind == "sha256":
            name = name.replace(":", "").lower()
            if not re.fullmatch(r"[0-9a-f]{64}", name):
                raise ValueError("a sha256 fingerprint has 64 hex digits")
        elif kind == "dns":
            name = name.lower()
        elif kind != "subject":
            raise ValueError("a certificate is named by sha256:FINGERPRINT, dns:NAME or subject:NAME")
        if not name:
            raise ValueError(f"{kind}: is followed by a name")
        return super().__new__(cls, f"{kind}:{name}")


def token(key: bytes, *parts: str) -> str:
    """24 hex digits that name `parts` without revealing them: HMAC-SHA256 under the appliance's key.

    Equal parts give equal tokens on one appliance, so a retry keeps its id (RFC 2104).
    """
    message = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in parts)
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:24]
