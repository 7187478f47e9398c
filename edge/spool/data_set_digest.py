"""What tells a repeat from a conflict: the digest of a data set.

XXH3-128, at 12 to 17 us for 0.5 MiB, because an acknowledgement waits for it; SHA-256 took 300 us, half of
what DCMTK's receiver needs for everything. It guards against accidents and not against a sender that builds
two data sets with one digest: that one betrays itself alone, for the first of them is what is kept.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from xxhash import xxh3_128

_SHA_256_DIGITS = 64


class Digest(Protocol):
    """As hashlib has it."""

    def update(self, content: bytes | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


def digest_like(known: str | None) -> Digest:
    """One to be compared with what is known already, or one for a new row."""
    return hashlib.sha256() if known is not None and len(known) == _SHA_256_DIGITS else xxh3_128()
