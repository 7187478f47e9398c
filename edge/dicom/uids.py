"""UIDs we make ourselves: derived from what they stand for, so the same input gives the same UID."""

from __future__ import annotations

import uuid

# Names the space our derived UIDs live in; changing it changes every one of them.
_NAMESPACE = uuid.UUID("b0a7a3d4-6e1c-5f53-9a43-1b0f6a3e8c55")

# ISO/IEC 9834-8 arc for UIDs made from a UUID (PS3.5 B.2).
UUID_ROOT = "2.25"

IMPLEMENTATION_CLASS_UID = f"{UUID_ROOT}.{_NAMESPACE.int}"
IMPLEMENTATION_VERSION_NAME = "EDGE_1"


def derived_uid(*parts: str) -> str:
    """A UID under 2.25 from a name-based UUID (RFC 9562, version 5); equal parts give equal UIDs."""
    name = "\0".join(f"{len(part)}:{part}" for part in parts)
    return f"{UUID_ROOT}.{uuid.uuid5(_NAMESPACE, name).int}"
