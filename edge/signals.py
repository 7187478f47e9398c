"""SIGTERM and SIGINT ask a process to stop; what was acknowledged is on disk already."""

from __future__ import annotations

import signal
import threading
from types import FrameType


def stop_requested() -> threading.Event:
    """Set at the first SIGTERM or SIGINT; call it from the main thread (signal(2))."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopping
