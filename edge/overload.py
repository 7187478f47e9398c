"""Says every second how much waits for the model, and how long that will take."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from edge.analysis import Backlog
from edge.domain.queueing import estimated_wait_s
from edge.telemetry.degraded_events import QueueMeasured
from edge.telemetry.events import Happening
from edge.triton.dispatch import Load

MEASURE_EVERY_S = 1.0


async def measure_queue(
    load: Callable[[], Load], backlog: Backlog, emit: Callable[[Happening], None]
) -> None:
    """For ever; `backlog` also counts what a series has not put into the queue yet."""
    while True:
        emit(measured(load(), backlog))
        await asyncio.sleep(MEASURE_EVERY_S)


def measured(now: Load, backlog: Backlog) -> QueueMeasured:
    """The wait is None while nobody judges anything: then nobody knows."""
    wait_s = estimated_wait_s(backlog.slabs, now.took_s, now.in_flight, served=now.served)
    return QueueMeasured(backlog.slabs, now.oldest_s, None if math.isinf(wait_s) else wait_s)
