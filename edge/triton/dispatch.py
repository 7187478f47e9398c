"""ports.InferenceQueue: our own priorities, retries, breaker and fallback in front of a server.

Triton's priority levels and queue timeouts cost up to 500 ms per request, so the queue is here and
only `in_flight` requests are at the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from edge.domain.queueing import Claim, Place, next_of
from edge.errors import RefuseModel, RetryPeer
from edge.ports import Clock, InferenceServer, InferRequest, InferResult
from edge.telemetry.degraded_events import FallbackUnfit
from edge.telemetry.events import InferenceFailed, SlabInferred
from edge.triton.breaker import Event
from edge.triton.canary import Canary
from edge.triton.moves import Moves
from edge.triton.status import RequestRefused, ServerBroken, ServerLate
from edge.triton.trust import Emit, Remedy, Sleep, Trust, bounded, event_of, pause_s, reason_of

# A slab that is late again though the canary passed in between is too slow for the server.
LATE_ALLOWED = 2
# How much the latest slab counts in what one takes.
NEWS = 0.1
# A fallback that answers wrongly, or cannot be started, is not asked again before.
UNFIT_S = 30.0


@dataclass(eq=False)
class _Entry:
    place: Place
    request: InferRequest
    answer: asyncio.Future[InferResult]
    attempts: int = 0
    broke: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """`took_s` is what a slab took lately at the server, `served` whether anybody answers at all now."""

    oldest_s: float
    took_s: float
    in_flight: int
    served: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """`attempts` per slab before the fallback or the next round; `in_flight` at the server at once."""

    in_flight: int
    attempts: int


class InferenceDispatcher:
    """Give `run` to a supervised task; `infer` waits, cancellable, until it is answered or refused.

    Nothing is inferred before the canary has passed. While trust is lost the `fallback` answers;
    without one everybody waits. For `remedies` see Trust.
    """

    def __init__(
        self,
        server: InferenceServer,
        canary: Canary,
        policy: Policy,
        clock: Clock,
        emit: Emit,
        *,
        fallback: InferenceServer | None = None,
        remedies: Sequence[Remedy] = (),
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._server = server
        self._policy = policy
        self._clock = clock
        self._emit = emit
        self._fallback = fallback
        self._fallback_checked = False
        self._fallback_fit_at = 0.0
        self._fitting = asyncio.Lock()
        self._sleep = sleep
        self._queue: dict[Place, _Entry] = {}
        self._sequence = self._turn = 0
        self._took_s = 0.0
        self._moves = Moves(clock)
        self._trust = Trust(
            server,
            canary,
            policy.attempts,
            clock,
            emit,
            covered=fallback is not None,
            remedies=remedies,
            sleep=sleep,
        )

    async def infer(self, request: InferRequest, claim: Claim) -> InferResult:
        """See the port."""
        answer: asyncio.Future[InferResult] = asyncio.get_running_loop().create_future()
        self._sequence += 1
        await self._push(_Entry(Place(claim, self._sequence, self._clock.monotonic()), request, answer))
        return await answer

    def load(self) -> Load:
        """How the queue stands."""
        since = min((place.since for place in self._queue), default=None)
        oldest_s = 0.0 if since is None else max(0.0, self._clock.monotonic() - since)
        served = self._trust.granted or self._falls_back
        return Load(oldest_s, self._took_s, self._policy.in_flight, served)

    async def run(self) -> None:
        """Works until cancelled; what is queued then is kept for the next `run`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._trust.watch())
            for _ in range(self._policy.in_flight):
                tasks.create_task(self._work())

    async def _work(self) -> None:
        while True:
            async with self._trust.changed:
                await self._trust.changed.wait_for(self._may_work)
                self._turn += 1
                entry = self._queue.pop(next_of(list(self._queue), self._turn, self._clock.monotonic()))
            self._moves.begun()
            try:
                await self._attempt(entry)
            except asyncio.CancelledError:
                self._queue[entry.place] = entry
                raise
            except Exception as error:
                # Our own bug: the one who waits must hear of it, and so must the supervisor.
                if not entry.answer.done():
                    entry.answer.set_exception(error)
                raise
            finally:
                self._moves.ended()

    def stands_still(self, allowed_s: float) -> bool:
        """See Moves; not while there is no server to ask, for starting afresh does not cure that."""
        return self._moves.stand_still(allowed_s, could_move=self._may_work())

    def _may_work(self) -> bool:
        for gone in [place for place, entry in self._queue.items() if entry.answer.done()]:
            del self._queue[gone]  # whoever asked has gone
        return bool(self._queue) and (self._trust.granted or self._falls_back)

    @property
    def _falls_back(self) -> bool:
        return self._able is not None and self._trust.lost

    @property
    def _able(self) -> InferenceServer | None:
        """The fallback, unless it has failed its own canary a moment ago."""
        return self._fallback if self._clock.monotonic() >= self._fallback_fit_at else None

    async def _attempt(self, entry: _Entry) -> None:
        tired = entry.attempts >= self._policy.attempts or entry.late >= LATE_ALLOWED
        fallback = self._able if tired or not self._trust.granted else None
        if fallback is not None and not await self._fit(fallback):
            await self._push(entry)
            return
        started = self._clock.monotonic()
        entry.attempts += 1
        try:
            if fallback is None:
                result = await bounded(self._server.infer(entry.request), entry.request.deadline_s)
            else:
                result = await fallback.infer(entry.request)
        except RefuseModel as error:
            self._emit(InferenceFailed(entry.request.model, reason_of(error), entry.attempts))
            _refuse(entry, error)
        except RetryPeer as error:
            self._emit(InferenceFailed(entry.request.model, reason_of(error), entry.attempts))
            await self._retry(entry, error, at_server=fallback is None)
        else:
            if fallback is None:
                await self._trust.note(Event.ANSWERED, "")
            self._answer(entry, result, started)

    def _answer(self, entry: _Entry, result: InferResult, started: float) -> None:
        if entry.answer.done():
            return
        entry.answer.set_result(result)
        took_s = self._clock.monotonic() - started
        self._took_s = took_s if not self._took_s else self._took_s + NEWS * (took_s - self._took_s)
        self._emit(
            SlabInferred(
                model=entry.request.model,
                queued_s=started - entry.place.since,
                took_s=took_s,
                priority=entry.place.claim.priority.name.lower(),
                degraded=result.degraded,
            )
        )

    async def _retry(self, entry: _Entry, error: RetryPeer, *, at_server: bool) -> None:
        entry.broke += isinstance(error, ServerBroken)
        entry.late += isinstance(error, ServerLate)
        if at_server:
            await self._trust.note(event_of(error), reason_of(error))
        if entry.broke >= self._policy.attempts:
            # Each time the canary had passed before, so it is this request and not the server.
            _refuse(entry, RequestRefused("poison", f"{entry.broke} times: {error}"))
            return
        if self._trust.granted or not at_server:
            await self._sleep(pause_s(entry.attempts))
        rounds = 1 if self._fallback is None else 2
        if entry.attempts >= rounds * self._policy.attempts:
            entry.attempts = entry.late = 0
        await self._push(entry)

    async def _fit(self, fallback: InferenceServer) -> bool:
        """Whether the fallback knows the canary's answer too, which is asked once; if not, nobody asks it."""
        async with self._fitting:
            if self._fallback_checked or self._able is None:
                return self._fallback_checked
            try:
                await self._trust.check(fallback)
            except (RefuseModel, RetryPeer) as error:
                self._fallback_fit_at = self._clock.monotonic() + UNFIT_S
                self._emit(FallbackUnfit(reason_of(error), UNFIT_S))
                self._trust.cover(covered=False)
                return False
            self._fallback_checked = True
            self._trust.cover(covered=True)
            return True

    async def _push(self, entry: _Entry) -> None:
        async with self._trust.changed:
            self._moves.queued(alone=not self._queue)
            self._queue[entry.place] = entry
            self._trust.changed.notify_all()


def _refuse(entry: _Entry, error: RefuseModel) -> None:
    if not entry.answer.done():
        entry.answer.set_exception(error)
