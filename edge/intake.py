"""From the journal to the agent: entries in order, instances read ahead while earlier ones are routed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from edge.domain.arrival import Arrival, InstanceStored
from edge.journal_port import Journal
from edge.patience import patiently
from edge.surroundings import Found, SliceRead, Surroundings, UnusableRead, in_turn, read_one
from edge.telemetry.events import InstanceDecoded

# Losing a doorbell costs at most this long: the journal is the truth, the doorbell only a hint.
SCAN_S = 1.0
_BATCH = 256
# Slices decoded at the same time; NumPy and the codecs release the interpreter for most of it.
_READ_AHEAD = 4

Taken = SliceRead | UnusableRead | Arrival


async def take(
    journal: Journal,
    around: Surroundings,
    wait: Callable[[float], Awaitable[None]],
    concluded: Callable[[InstanceStored], bool],
    looked: Callable[[], None],
    begin: int = 1,
) -> AsyncIterator[Taken]:
    """Every journal entry from `begin` on, once and in order, for ever; instances read unless `concluded`.

    `wait` returns at the doorbell or after the seconds it is given; `looked` is told of every step.
    """

    async def timed(entry: InstanceStored) -> Found:
        began = around.clock.monotonic()
        result = await read_one(entry, around)
        around.emit(InstanceDecoded(took_s=around.clock.monotonic() - began))
        return result

    sequence = begin - 1
    under_way: deque[asyncio.Task[Found] | Arrival] = deque()

    async def finished() -> AsyncIterator[Taken]:
        item = under_way.popleft()
        if not isinstance(item, asyncio.Task):
            yield item
            return
        async for one in in_turn(await item, timed):
            yield one

    while True:
        entries = await patiently(around.emit, journal.after, sequence, _BATCH)
        around.reading.at_head = not entries
        looked()
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
                async for item in finished():
                    yield item
                    looked()
        while under_way:
            async for item in finished():
                yield item
                looked()
