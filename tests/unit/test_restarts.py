"""An embedded server that answers wrongly is ended, but not again and again."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from edge.telemetry.degraded_events import TritonRestarted
from edge.telemetry.events import Happening
from edge.triton.restarts import FIRST_PAUSE_S, LONGEST_PAUSE_S, RestartRemedy, Restarts
from tests.fakes.clock import FakeClock


class Room:
    def __init__(self, *, runs: bool = True) -> None:
        self.clock = FakeClock()
        self.clock.advance(5)
        self.runs, self.ended, self.reloaded = runs, 0, 0
        self.happenings: list[Happening] = []
        self.remedy = RestartRemedy(self._end, self._reload, self.clock, self.happenings.append)

    def _end(self) -> bool:
        self.ended += self.runs
        return self.runs

    async def _reload(self) -> None:
        self.reloaded += 1

    def apply(self) -> None:
        asyncio.run(self._apply())

    async def _apply(self) -> None:
        await self.remedy()


def test_the_first_is_at_once_and_the_next_waits_while_the_model_is_loaded_anew() -> None:
    room = Room()
    room.apply()
    room.apply()
    assert (room.ended, room.reloaded) == (1, 1)
    room.clock.advance(FIRST_PAUSE_S)
    room.apply()
    assert room.ended == 2
    assert room.happenings == [TritonRestarted(1, FIRST_PAUSE_S), TritonRestarted(2, 2 * FIRST_PAUSE_S)]


def test_a_server_that_held_for_a_while_starts_the_count_over() -> None:
    room = Room()
    room.apply()
    room.clock.advance(2 * FIRST_PAUSE_S)
    room.apply()
    assert room.happenings == [TritonRestarted(1, FIRST_PAUSE_S)] * 2


def test_where_no_server_of_ours_runs_nothing_is_said_to_be_restarted() -> None:
    room = Room(runs=False)
    room.apply()
    assert room.happenings == []


@given(st.lists(st.floats(0, 100), max_size=400))
def test_however_often_it_fails_the_pauses_only_grow_to_ten_minutes(steps: list[float]) -> None:
    restarts, now, ended = Restarts(), 0.0, list[float]()
    for step in steps:
        now += step
        if restarts.allowed(now):
            assert not ended or now - ended[-1] >= FIRST_PAUSE_S
            restarts = restarts.another(now)
            ended.append(now)
        assert restarts.pause_s <= LONGEST_PAUSE_S
