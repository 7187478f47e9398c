"""Whether the server may be asked: breaker, canary and remedies, and the one place that says so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from edge.errors import RefuseModel, RetryPeer
from edge.ports import Clock, InferenceServer
from edge.telemetry.events import Happening, InferenceFailed, TritonHealthChanged
from edge.triton.breaker import Breaker, Event, State
from edge.triton.canary import Canary
from edge.triton.status import AttemptFailed, RequestRefused, ServerBroken, ServerLate

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
# The server bounds an attempt itself; this ends one that forgot to.
GRACE_S = 1.0
# The server is there without its model: waiting alone will not bring it back.
NOT_LOADED = "not_found"

Emit = Callable[[Happening], None]
Sleep = Callable[[float], Awaitable[None]]
Remedy = Callable[[], Awaitable[None]]
_Answer = TypeVar("_Answer")


class Trust:
    """Give `watch` to a task; `changed` is notified with every event.

    `remedies` are tried in order, one more with each wrong answer of the canary in a row: load the
    model anew, then restart the server. `covered` means that a fallback answers meanwhile.
    """

    def __init__(
        self,
        server: InferenceServer,
        canary: Canary,
        attempts: int,
        clock: Clock,
        emit: Emit,
        *,
        covered: bool,
        remedies: Sequence[Remedy],
        sleep: Sleep,
    ) -> None:
        self.changed = asyncio.Condition()
        self._server = server
        self._canary = canary
        self._clock = clock
        self._emit = emit
        self._covered = covered
        self._remedies = remedies
        self._sleep = sleep
        self._breaker = Breaker(attempts)
        self._health = ""

    @property
    def granted(self) -> bool:
        return self._breaker.state is State.CLOSED

    @property
    def lost(self) -> bool:
        """Opened and not trusted again since; mere suspicion is neither granted nor lost."""
        return self._breaker.trips > 0

    async def watch(self) -> None:
        """Asks the canary whenever trust is not granted, until cancelled."""
        self._say("starting")
        failed = wrong = 0
        while True:
            async with self.changed:
                await self.changed.wait_for(lambda: not self.granted)
            if self._breaker.state is State.OPEN:
                await self._sleep(max(0.0, self._breaker.retry_at - self._clock.monotonic()))
                await self.note(Event.COOLDOWN_ELAPSED, "")
            try:
                await bounded(self._canary.check(self._server), self._canary.deadline_s)
            except (RetryPeer, RefuseModel) as error:
                failed += 1
                self._emit(InferenceFailed(self._canary.model, reason_of(error), failed))
                if event_of(error) is Event.AWAY and reason_of(error) != NOT_LOADED:
                    await self.note(Event.CANARY_AWAY, reason_of(error))
                else:
                    await self.note(Event.CANARY_FAILED, reason_of(error))
                    await self._remedy(wrong)
                    wrong += 1
                if self._breaker.state is State.HALF_OPEN:
                    await self._sleep(pause_s(failed))
            else:
                failed = wrong = 0
                await self.note(Event.CANARY_PASSED, "canary_passed")

    def cover(self, *, covered: bool) -> None:
        """Whether somebody else answers while trust is lost; it may turn out to be unfit."""
        self._covered = covered
        self._say("fallback_unfit" if not covered else "fallback_fit")

    async def check(self, other: InferenceServer) -> None:
        """Asks the canary of another server; raises what is wrong with it."""
        await self._canary.check(other)

    async def note(self, event: Event, reason: str) -> None:
        before = self._breaker
        self._breaker = before.after(event, self._clock.monotonic())
        if self._breaker.state is not before.state:
            self._say(reason)
        async with self.changed:
            self.changed.notify_all()

    def _say(self, reason: str) -> None:
        if self.granted:
            health = "serving"
        elif self.lost:
            health = "fallback" if self._covered else "down"
        else:
            health = "suspect"
        if health != self._health:
            self._health = health
            self._emit(TritonHealthChanged(health, reason))

    async def _remedy(self, tried: int) -> None:
        if not self._remedies:
            return
        try:
            await self._remedies[min(tried, len(self._remedies) - 1)]()
        except RetryPeer as error:
            self._emit(InferenceFailed(self._canary.model, reason_of(error), tried + 1))


async def bounded(call: Coroutine[Any, Any, _Answer], deadline_s: float) -> _Answer:
    """The call's answer; raises ServerLate when a server does not keep its own deadline."""
    try:
        async with asyncio.timeout(deadline_s + GRACE_S):
            return await call
    except TimeoutError as error:
        raise ServerLate("hung", f"no end after {deadline_s + GRACE_S} s") from error


def pause_s(attempts: int) -> float:
    """Doubles with each attempt, with jitter so that not all come back at once."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 8))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


def event_of(error: RetryPeer | RefuseModel) -> Event:
    """What a failed request means for the breaker."""
    if isinstance(error, ServerLate):
        return Event.LATE
    if isinstance(error, (ServerBroken, RefuseModel)):
        return Event.BROKE
    return Event.AWAY


def reason_of(error: RetryPeer | RefuseModel) -> str:
    """A metric label."""
    return error.reason if isinstance(error, (AttemptFailed, RequestRefused)) else "unavailable"
