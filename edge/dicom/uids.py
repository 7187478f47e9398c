"""UIDs we make ourselves: derived from what they stand for, so the same input gives the same UID."""

from __future__ import annotations

from edge.domain.identity import UID_NAMESPACE, UUID_ROOT

IMPLEMENTATION_CLASS_UID = f"{UUID_ROOT}.{UID_NAMESPACE.int}"
IMPLEMENTATION_VERSION_NAME = "EDGE_1"
