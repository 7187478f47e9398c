"""What a killed owner of a role may leave behind: a process of its own that still writes for a while."""

from __future__ import annotations

from pathlib import Path

from edge.spool.lock import Held


def linger(held: Held, until: Path) -> None:
    """Holds `held` from the moment somebody writes to the FIFO `until` to that writer's end."""
    assert held.descriptor > 2
    with until.open() as told:
        told.read()
