"""One canary after the other: what is waited for, what is kept, and when no further head is sent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from edge.canary import Canary, Run, Surroundings
from edge.domain.alert import AlertStatus
from edge.domain.canary import Evidence, Page, Part, Stage
from edge.domain.identity import SeriesInstanceUID
from edge.domain.outcome import OutcomeKind
from edge.errors import ShedLoad
from tests.fakes.clock import START, FakeClock

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Head:
    series: SeriesInstanceUID
    instances: int = 20
    acknowledged: int = 20
    trouble: str = ""


@dataclass
class Room:
    """An appliance whose ledger says what `shows` says, from `after_s` on."""

    shows: Evidence = field(default_factory=lambda: Evidence(20, acknowledged=True))
    after_s: float = 0.0
    answers: Head = field(default_factory=lambda: Head(SeriesInstanceUID("1")))
    unwell: set[Part] = field(default_factory=set)
    sent: int = 0
    ledger_fails: bool = False

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.canary = Canary(
            Surroundings(self._send, self._look, lambda p: p not in self.unwell, self.clock, self._wait),
            TIMEOUT_S,
        )

    def run(self) -> Run:
        run = self.canary.run()
        assert run is not None
        return run

    def _send(self) -> Head:
        self.sent += 1
        self.clock.advance(0.5)
        return replace(self.answers, series=SeriesInstanceUID(str(self.sent)))

    def _look(self, series: SeriesInstanceUID, instances: int, acknowledged: bool) -> Evidence:
        if self.ledger_fails:
            raise ShedLoad
        assert series == str(self.sent)
        waiting = self.clock.monotonic() < self.after_s
        return Evidence(instances, acknowledged=acknowledged) if waiting else self.shows

    def _wait(self, seconds: float) -> bool:
        self.clock.advance(seconds)
        return False


def answered(seconds: float, *, degraded: bool = False) -> Evidence:
    at = START + timedelta(seconds=seconds)
    page = Page(AlertStatus.CONFIRMED, degraded, at, at, True, at, at)
    return Evidence(20, True, 20, (page,), OutcomeKind.FINDING)


def test_a_proof_takes_from_the_first_slice_to_the_last_answer() -> None:
    room = Room(shows=answered(2.0), after_s=2.0)
    verdict = room.run().verdict
    assert (verdict.part, verdict.stage, verdict.took_s) == (None, Stage.PROVEN, 2.0)
    assert verdict.proven_at == START + timedelta(seconds=2)


def test_a_pipeline_that_stands_still_is_told_within_the_time_and_given_no_second_head() -> None:
    room = Room(unwell={Part.TRITON}, shows=Evidence(20, True, 20))
    first = room.run().verdict
    assert (first.part, first.stage, first.reason) == (Part.TRITON, Stage.DECODED, "no_page")
    assert room.clock.monotonic() < TIMEOUT_S + 1
    again = room.run().verdict
    assert (again.part, room.sent) == (Part.TRITON, 1), "the head under way is judged again"
    room.shows = answered(70.0)
    room.unwell = set()
    proven = room.run()
    assert (proven.verdict.part, room.sent) == (None, 2), "the old one is over, a new one proves it"


def test_after_an_hour_the_next_head_is_sent_all_the_same() -> None:
    room = Room(unwell={Part.AGENT})
    room.run()
    room.clock.advance(3600)
    room.run()
    assert room.sent == 2


def test_a_receiver_that_does_not_take_all_is_blamed_at_once_with_what_it_said() -> None:
    room = Room(answers=Head(SeriesInstanceUID("1"), acknowledged=3, trouble="0xa700"))
    verdict = room.run().verdict
    assert (verdict.part, verdict.stage, verdict.reason) == (Part.RECEIVER, Stage.SENT, "0xa700")
    assert room.clock.monotonic() < 1.0
    room.run()
    assert room.sent == 2, "nothing is under way that one could wait for"


def test_a_page_by_the_fallback_is_a_proof_of_the_way_and_still_a_failure_of_triton() -> None:
    verdict = Room(shows=answered(1.0, degraded=True)).run().verdict
    assert (verdict.part, verdict.reason) == (Part.TRITON, "degraded")
    assert verdict.proven_at == START + timedelta(seconds=1)


def test_the_last_proof_is_kept_through_failures() -> None:
    room = Room(shows=answered(1.0))
    room.run()
    room.shows = Evidence(20, True, 20)
    assert room.run().verdict.proven_at == START + timedelta(seconds=1)


def test_a_proof_from_before_the_clock_was_set_back_is_not_handed_on_as_one_to_come() -> None:
    room = Room(shows=answered(1.0))
    room.run()
    room.clock.set_by(-86400)
    room.shows = Evidence(20, True, 20)
    assert room.run().verdict.proven_at is None
    room.shows = answered(-86300)
    room.run()
    assert room.run().verdict.proven_at == START - timedelta(seconds=86300), "the next page proves again"


def test_a_ledger_that_cannot_be_read_is_no_crash_and_no_proof() -> None:
    room = Room(ledger_fails=True)
    verdict = room.run().verdict
    assert (verdict.part, verdict.stage) == (Part.AGENT, Stage.ACKNOWLEDGED)


def test_when_it_is_stopped_there_is_no_verdict() -> None:
    room = Room()
    around = Surroundings(room._send, room._look, lambda _: True, room.clock, lambda _: True)
    assert Canary(around, TIMEOUT_S).run() is None
