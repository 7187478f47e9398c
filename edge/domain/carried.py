"""What one association brought of a series, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from edge.domain.identity import SopInstanceUID


class End(StrEnum):
    """How an association ended; OVER happened before this revision began."""

    RELEASED = "released"
    ABORTED = "aborted"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Carried:
    """What one association brought of this series; `since` is its first journal sequence, `until` its end."""

    since: int
    instances: frozenset[SopInstanceUID] = frozenset()
    end: End | None = None
    until: int = 0

    def repeats(self, aborted: Carried) -> bool:
        """Whether this is the retry: begun after the abort, released, and it brought all of it again."""
        later = self.end is End.RELEASED and self.since > aborted.until
        return later and aborted.instances <= self.instances
