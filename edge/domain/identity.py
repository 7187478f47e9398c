"""Names that identify things, checked once at the door."""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from typing import NewType, Self

SopInstanceUID = NewType("SopInstanceUID", str)
SeriesInstanceUID = NewType("SeriesInstanceUID", str)
StudyInstanceUID = NewType("StudyInstanceUID", str)
AssociationId = NewType("AssociationId", str)

# Names the space our derived UIDs live in; changing it changes every one of them.
UID_NAMESPACE = uuid.UUID("b0a7a3d4-6e1c-5f53-9a43-1b0f6a3e8c55")

# ISO/IEC 9834-8 arc for UIDs made from a UUID (PS3.5 B.2).
UUID_ROOT = "2.25"


def derived_uid(*parts: str) -> str:
    """A UID under 2.25 from a name-based UUID (RFC 9562, version 5); equal parts give equal UIDs."""
    name = "\0".join(f"{len(part)}:{part}" for part in parts)
    return f"{UUID_ROOT}.{uuid.uuid5(UID_NAMESPACE, name).int}"


def made_up_series(instance: SopInstanceUID) -> SeriesInstanceUID:
    """The series of an instance that does not tell its own; the same for every reason and after a restart."""
    return SeriesInstanceUID(derived_uid("series of", instance))


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
