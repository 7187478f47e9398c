"""From the journal to the agent: entries in order, instances read ahead while earlier ones are routed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from edge.domain.arrival import Arrival, InstanceStored
from edge.pipeline import SliceRead, UnusableRead, read
from edge.ports import Clock, Journal, PixelSource
from edge.telemetry.events import Happening, InstanceDecoded

# Losing a doorbell costs at most this long: the journal is the truth, the doorbell only a hint.
SCAN_S = 1.0
_BATCH = 256
# Slices decoded at the same time; NumPy and the codecs release the interpreter for most of it.
_READ_AHEAD = 4

Taken = SliceRead | UnusableRead | Arrival


async def take(
    journal: Journal,
    pixels: PixelSource,
    wait: Callable[[float], Awaitable[None]],
    concluded: Callable[[InstanceStored], bool],
    clock: Clock,
    emit: Callable[[Happening], None],
) -> AsyncIterator[Taken]:
    """Every journal entry once, in order, for ever; instances come read unless `concluded` says no need.

    `wait` returns at the doorbell or after the seconds it is given.
    """

    async def timed(entry: InstanceStored) -> SliceRead | UnusableRead:
        began = clock.monotonic()
        result = await read(entry, pixels)
        emit(InstanceDecoded(took_s=clock.monotonic() - began))
        return result

    sequence = 0
    under_way: deque[asyncio.Task[SliceRead | UnusableRead] | Arrival] = deque()
    while True:
        entries = await asyncio.to_thread(journal.after, sequence, _BATCH)
        if not entries:
            await wait(SCAN_S)
            continue
        for entry in entries:
            sequence = entry.sequence
            if isinstance(entry, InstanceStored) and not concluded(entry):
                under_way.append(asyncio.create_task(timed(entry)))
            else:
                under_way.append(entry)
            if len(under_way) > _READ_AHEAD:
                yield await _finished(under_way.popleft())
        while under_way:
            yield await _finished(under_way.popleft())


async def _finished(item: asyncio.Task[SliceRead | UnusableRead] | Arrival) -> Taken:
    return await item if isinstance(item, asyncio.Task) else item
