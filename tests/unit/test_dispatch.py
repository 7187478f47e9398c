from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import numpy as np
import pytest

from edge.domain.queueing import PATIENCE_S, Claim, Priority
from edge.ports import InferRequest, InferResult, TensorSpec
from edge.telemetry.degraded_events import FallbackUnfit
from edge.telemetry.events import Happening, InferenceFailed, SlabInferred, TritonHealthChanged
from edge.triton.canary import Canary, GoldenCase
from edge.triton.dispatch import UNFIT_S, InferenceDispatcher, Policy
from edge.triton.status import RequestRefused, ServerAway, ServerBroken, ServerLate
from tests.fakes.clock import FakeClock
from tests.fakes.inference_server import FakeInferenceServer
from tests.fakes.virtual_time import run_in_virtual_time

MODEL = "doubler"
CASES = [
    GoldenCase(str(n), {"x": np.array([[n]], np.int16)}, {"y": np.array([[2 * n]], np.float32)})
    for n in range(20)
]
CANARY = Canary(MODEL, CASES[0], deadline_s=1.0)
OUTPUTS = {"y": TensorSpec("float32", (1, 1))}


def request(n: int, deadline_s: float = 1.0) -> InferRequest:
    return InferRequest(MODEL, {"x": np.array([[n]], np.int16)}, OUTPUTS, deadline_s)


def number(sent: InferRequest) -> int:
    return int(sent.inputs["x"][0, 0])


class Room:
    """A dispatcher between fakes; time passes only when somebody sleeps."""

    def __init__(self, *, fallback: bool = False, attempts: int = 3, in_flight: int = 1) -> None:
        self.clock = FakeClock()
        self.server = FakeInferenceServer(MODEL, CASES)
        self.fallback = FakeInferenceServer(MODEL, CASES, degraded=True) if fallback else None
        self.happenings: list[Happening] = []
        self.remedies: list[str] = []
        self.dispatcher = InferenceDispatcher(
            self.server,
            CANARY,
            Policy(in_flight=in_flight, attempts=attempts),
            self.clock,
            self.happenings.append,
            fallback=self.fallback,
            remedies=[self._remedy("reload"), self._remedy("restart")],
            sleep=self._sleep,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[InferenceDispatcher]:
        task = asyncio.create_task(self.dispatcher.run())
        try:
            yield self.dispatcher
        finally:
            task.cancel()
            await asyncio.wait([task])

    @property
    def health(self) -> list[str]:
        return [h.health for h in self.happenings if isinstance(h, TritonHealthChanged)]

    async def _sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for _ in range(20):
            await asyncio.sleep(0)

    def _remedy(self, name: str) -> Callable[[], Coroutine[None, None, None]]:
        async def apply() -> None:
            self.remedies.append(name)

        return apply


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def ask(room: Room, *numbers: int, priority: Priority = Priority.ARRIVING) -> list[InferResult]:
    async def all_of_them() -> list[InferResult]:
        async with room.running() as dispatcher:
            return await asyncio.gather(*(dispatcher.infer(request(n), Claim(priority)) for n in numbers))

    return run_in_virtual_time(all_of_them())


def test_the_canary_goes_first_and_then_the_answer_comes() -> None:
    room = Room()
    (result,) = ask(room, 7)
    assert result.outputs["y"][0, 0] == 14
    assert [number(s) for s in room.server.seen] == [0, 7]
    assert room.health == ["suspect", "serving"]


def test_suspicious_series_go_first_then_closing_ones_and_equals_keep_their_order() -> None:
    room = Room()

    async def play() -> list[int]:
        room.server.held = asyncio.Event()
        wanted = [(1, Priority.ARRIVING), (2, Priority.ARRIVING), (3, Priority.SUSPICIOUS)]
        wanted += [(4, Priority.CLOSING), (5, Priority.ARRIVING), (6, Priority.CLOSING)]
        async with room.running() as dispatcher:
            asked = [asyncio.create_task(dispatcher.infer(request(n), Claim(p))) for n, p in wanted]
            await settle()
            room.server.held.set()
            await asyncio.gather(*asked)
        return [number(s) for s in room.server.seen]

    assert run_in_virtual_time(play()) == [0, 3, 4, 6, 1, 2, 5]


def test_new_heads_pass_old_ones_but_whoever_waits_longest_has_every_fourth_turn() -> None:
    room = Room()

    async def play() -> list[int]:
        room.server.held = asyncio.Event()
        old, new = Claim(Priority.ROUTINE, 10.0), Claim(Priority.ARRIVING, 900.0)
        async with room.running() as dispatcher:
            wanted = [(1, old), (2, old), *((n, new) for n in range(3, 13))]
            asked = [asyncio.create_task(dispatcher.infer(request(n), claim)) for n, claim in wanted]
            await settle()
            assert dispatcher.load().served is False
            room.clock.advance(PATIENCE_S)
            assert dispatcher.load().oldest_s == PATIENCE_S
            room.server.held.set()
            await asyncio.gather(*asked)
            assert (dispatcher.load().served, dispatcher.load().oldest_s) == (True, 0.0)
        return [number(s) for s in room.server.seen]

    assert run_in_virtual_time(play()) == [0, 3, 4, 5, 1, 6, 7, 8, 2, 9, 10, 11, 12]


def test_no_more_are_at_the_server_than_allowed() -> None:
    room = Room(in_flight=2)
    room.server.takes_s = 0.001
    ask(room, *range(1, 12))
    assert room.server.most_at_once == 2


def test_a_server_that_is_away_for_a_moment_is_asked_again() -> None:
    room = Room()
    room.server.twists.extend([lambda: None, ServerAway("unavailable"), ServerAway("unavailable")])
    (result,) = ask(room, 3)
    assert result.outputs["y"][0, 0] == 6
    assert not result.degraded
    failed = [h for h in room.happenings if isinstance(h, InferenceFailed)]
    assert [(h.reason, h.attempt) for h in failed] == [("unavailable", 1), ("unavailable", 2)]
    inferred = [h for h in room.happenings if isinstance(h, SlabInferred)]
    assert len(inferred) == 1
    assert inferred[0].queued_s > 0


def test_a_late_answer_is_asked_for_again_only_after_the_canary() -> None:
    room = Room()
    room.server.twists.extend([lambda: None, ServerLate("deadline_exceeded")])
    ask(room, 3)
    assert [number(s) for s in room.server.seen] == [0, 3, 0, 3]
    assert room.health == ["suspect", "serving", "suspect", "serving"]


def test_without_a_fallback_a_broken_server_makes_wait_and_is_repaired_step_by_step() -> None:
    room = Room()
    wrong = ServerBroken("canary_mismatch")
    room.server.twists.extend([lambda: None, ServerBroken("internal"), wrong, wrong, wrong])
    (result,) = ask(room, 3)
    assert result.outputs["y"][0, 0] == 6
    assert room.remedies == ["reload", "restart", "restart"]
    assert room.health == ["suspect", "serving", "down", "serving"]


def test_the_fallback_answers_while_the_server_is_down_and_says_so() -> None:
    room = Room(fallback=True)
    room.server.up = False

    async def play() -> tuple[InferResult, InferResult]:
        async with room.running() as dispatcher:
            during = await dispatcher.infer(request(4), Claim(Priority.ARRIVING))
            room.server.up = True
            while room.health[-1] != "serving":
                await asyncio.sleep(0)
            return during, await dispatcher.infer(request(5), Claim(Priority.ARRIVING))

    during, afterwards = run_in_virtual_time(play())
    assert during.degraded
    assert during.outputs["y"][0, 0] == 8
    assert not afterwards.degraded
    assert room.health == ["suspect", "fallback", "serving"]


def test_a_fallback_that_does_not_know_the_canary_is_not_believed_and_the_slab_waits_for_the_server() -> None:
    room = Room(fallback=True, attempts=2)
    assert room.fallback is not None
    room.fallback.cases = [GoldenCase(c.name, c.inputs, {"y": c.outputs["y"] + 1}) for c in CASES]
    room.server.up = False

    async def play() -> InferResult:
        async with room.running() as dispatcher:
            asked = asyncio.create_task(dispatcher.infer(request(4), Claim(Priority.ARRIVING)))
            while "down" not in room.health:
                await asyncio.sleep(0)
            room.server.up = True
            return await asked

    result = run_in_virtual_time(play())
    assert (result.outputs["y"][0, 0], result.degraded) == (8, False)
    assert all(number(s) == 0 for s in room.fallback.seen)
    assert room.health[-1] == "serving"
    assert [h.reason for h in room.happenings if isinstance(h, FallbackUnfit)] == ["canary_mismatch"]


def test_an_unfit_fallback_is_asked_again_after_a_while() -> None:
    room = Room(fallback=True, attempts=2)
    assert room.fallback is not None
    room.fallback.up = False
    room.server.up = False

    async def play() -> InferResult:
        async with room.running() as dispatcher:
            asked = asyncio.create_task(dispatcher.infer(request(4), Claim(Priority.ARRIVING)))
            while not room.fallback.seen:
                await asyncio.sleep(0)
            room.fallback.up = True
            return await asked

    assert run_in_virtual_time(play()).degraded
    assert room.clock.monotonic() >= UNFIT_S
    assert room.health[-2:] == ["down", "fallback"]


def test_a_slab_that_breaks_a_healthy_server_each_time_is_refused_and_the_rest_goes_on() -> None:
    room = Room(attempts=3)

    class Fragile(FakeInferenceServer):
        async def infer(self, request: InferRequest) -> InferResult:
            if number(request) == 13:
                raise ServerBroken("internal")
            return await super().infer(request)

    room.server.__class__ = Fragile

    async def play() -> tuple[BaseException | InferResult, ...]:
        async with room.running() as dispatcher:
            asked = [dispatcher.infer(request(n), Claim(Priority.ARRIVING)) for n in (13, 2)]
            return tuple(await asyncio.gather(*asked, return_exceptions=True))

    poison, other = run_in_virtual_time(play())
    assert isinstance(poison, RequestRefused)
    assert poison.reason == "poison"
    assert isinstance(other, InferResult)


def test_a_refused_request_is_never_asked_again() -> None:
    room = Room(fallback=True)
    room.server.twists.extend([lambda: None, RequestRefused("invalid_argument")])
    with pytest.raises(RequestRefused):
        ask(room, 3)
    assert [number(s) for s in room.server.seen] == [0, 3]
    assert room.fallback is not None
    assert room.fallback.seen == []


def test_whoever_stops_waiting_leaves_the_queue() -> None:
    room = Room()

    async def play() -> list[int]:
        room.server.held = asyncio.Event()
        async with room.running() as dispatcher:
            gone = asyncio.create_task(dispatcher.infer(request(1), Claim(Priority.CLOSING)))
            stays = asyncio.create_task(dispatcher.infer(request(2), Claim(Priority.ARRIVING)))
            await settle()
            gone.cancel()
            room.server.held.set()
            await stays
        return [number(s) for s in room.server.seen]

    assert run_in_virtual_time(play()) == [0, 2]


def test_what_was_under_way_when_the_task_was_cancelled_is_answered_by_the_next_run() -> None:
    room = Room()

    async def play() -> float:
        async with room.running() as dispatcher:
            first = asyncio.create_task(dispatcher.infer(request(1), Claim(Priority.ARRIVING)))
            await first
            room.server.held = asyncio.Event()
            caught = asyncio.create_task(dispatcher.infer(request(8), Claim(Priority.ARRIVING)))
            await settle()
        assert not caught.done()
        room.server.held = None
        async with room.running():
            return float((await caught).outputs["y"][0, 0])

    assert run_in_virtual_time(play()) == 16


def test_a_bug_reaches_the_one_who_waits_and_the_supervisor() -> None:
    room = Room()
    room.server.twists.extend([lambda: None, KeyError("bug")])

    async def play() -> tuple[BaseException | None, BaseException | None]:
        running = asyncio.create_task(room.dispatcher.run())
        asked = asyncio.create_task(room.dispatcher.infer(request(1), Claim(Priority.ARRIVING)))
        await asyncio.wait([running, asked])
        return running.exception(), asked.exception()

    supervisor, waiting = run_in_virtual_time(play())
    assert isinstance(waiting, KeyError)
    assert isinstance(supervisor, ExceptionGroup)
    assert supervisor.subgroup(KeyError) is not None
