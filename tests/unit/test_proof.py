"""What the agent makes of the canary's verdicts: its age, its word, and when silence becomes an alarm."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from edge.domain.canary import Part, Stage, Verdict
from edge.domain.degraded import Mode
from edge.proof import Proof
from edge.pulse import Pulse
from edge.settings_canary import CanarySettings
from edge.spool.verdict_file import VERDICT, keep_verdict, latest_verdict
from edge.telemetry.events import Happening, TritonHealthChanged
from edge.telemetry.proof_events import CanaryObserved, ProvenPageMeasured
from tests.fakes.clock import START, FakeClock

SETTINGS = CanarySettings(period_s=900, timeout_s=60)
DAY_S = 86400.0


class Room:
    """An agent's proof over a state folder that the canary writes into."""

    def __init__(self, folder: Path, settings: CanarySettings = SETTINGS) -> None:
        self.folder, self.clock, self.happenings = folder, FakeClock(), list[Happening]()
        self.pulse = Pulse(self.happenings.append, self.clock)
        self.proof = Proof(folder, settings, self.clock, self.pulse.emit)
        self.pulse.proof = self.proof

    def judged(self, part: Part | None = None, proven_s: float | None = None) -> Verdict:
        proven = None if proven_s is None else START + timedelta(seconds=proven_s)
        stage = Stage.PROVEN if part is None else Stage.QUEUED
        verdict = Verdict(self.clock.utc(), part, stage, "why", 1.5, proven)
        keep_verdict(self.folder, verdict)
        self.proof.look()
        return verdict

    @property
    def measured_s(self) -> float:
        self.proof.look()
        return [h.age_s for h in self.happenings if isinstance(h, ProvenPageMeasured)][-1]

    @property
    def modes(self) -> tuple[Mode, ...]:
        return self.pulse.conditions.now.names

    @property
    def observed(self) -> list[str]:
        return [h.part for h in self.happenings if isinstance(h, CanaryObserved)]


def test_a_verdict_survives_the_file(tmp_path: Path) -> None:
    for part in (*Part, None):
        verdict = Room(tmp_path).judged(part, proven_s=-3)
        assert latest_verdict(tmp_path) == verdict
    assert [p.name for p in tmp_path.iterdir()] == [VERDICT], "nothing is left beside it"
    assert (tmp_path / VERDICT).stat().st_mode & 0o077 == 0


def test_a_file_that_is_no_verdict_counts_as_none(tmp_path: Path) -> None:
    for content in (b"", b"{", b"[]", b'{"at": 1}', b'{"at": "2024-05-01T00:00:00+00:00", "part": "cook"}'):
        (tmp_path / VERDICT).write_bytes(content)
        assert latest_verdict(tmp_path) is None


def test_the_age_is_since_the_last_proof_and_without_one_since_the_start(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.clock.advance(100)
    assert (room.measured_s, room.proof.proven_age_s) == (100, None)
    room.judged(proven_s=90)
    assert room.measured_s == 10
    room.clock.advance(500)
    room.judged(Part.BROKER, proven_s=90)
    assert room.measured_s == 510, "a failure proves nothing"


def test_each_verdict_counts_once_and_those_of_before_the_start_do_not(tmp_path: Path) -> None:
    Room(tmp_path).judged(Part.PAGER)
    room = Room(tmp_path)
    room.clock.advance(1)
    room.proof.look()
    assert room.observed == []
    room.judged(Part.OUTBOX)
    room.proof.look()
    room.clock.advance(900)
    room.judged(proven_s=900)
    assert room.observed == ["outbox", ""]


def test_what_it_blames_is_the_condition_of_the_appliance_until_it_is_proven(tmp_path: Path) -> None:
    room = Room(tmp_path)
    assert room.modes == ()
    room.judged(Part.OUTBOX)
    assert room.modes == (Mode.PAGE_NOT_PROVEN,)
    room.pulse.emit(TritonHealthChanged("down", "unavailable"))
    assert room.modes == (Mode.TRITON_DOWN, Mode.PAGE_NOT_PROVEN), "the known cause first"
    room.pulse.emit(TritonHealthChanged("serving", "canary_passed"))
    room.judged(proven_s=0)
    assert room.modes == ()


def test_a_canary_that_falls_silent_is_overdue(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.judged(proven_s=0)
    room.clock.advance(2 * 900 + 59)
    room.proof.look()
    assert room.proof.word == "proven"
    room.clock.advance(2)
    assert room.proof.word == "overdue"
    room.proof.look()
    assert room.modes == (Mode.PAGE_NOT_PROVEN,)


def test_one_that_never_began_is_overdue_after_two_periods_and_one_that_is_off_never(tmp_path: Path) -> None:
    room, off = Room(tmp_path), Room(tmp_path, CanarySettings(period_s=0))
    for each in (room, off):
        each.clock.advance(1801)
        each.proof.look()
    assert (room.proof.word, off.proof.word) == ("overdue", "")


def test_after_a_restart_an_old_verdict_is_not_overdue_before_the_canary_had_its_time(tmp_path: Path) -> None:
    Room(tmp_path).judged(proven_s=0)
    later = FakeClock(START + timedelta(days=3))
    proof = Proof(tmp_path, SETTINGS, later, lambda _: None)
    proof.look()
    assert proof.word == "proven"
    later.advance(1801)
    assert proof.word == "overdue"


def test_after_a_clock_set_back_failures_are_told_and_the_age_goes_on(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.judged(proven_s=0)
    room.clock.set_by(-DAY_S)
    for _ in range(20):
        room.clock.advance(900)
        room.judged(Part.BROKER, proven_s=0)
    assert room.observed == ["", *["broker"] * 20]
    assert (room.measured_s, room.proof.word) == (20 * 900, "broker")


def test_after_a_clock_set_back_a_canary_that_died_is_overdue_as_soon_as_ever(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.judged(proven_s=0)
    room.clock.set_by(-DAY_S)
    room.clock.advance(2 * 900 + 59)
    assert room.proof.word == "proven"
    room.clock.advance(2)
    assert (room.measured_s, room.proof.word) == (1861, "overdue")


def test_a_proof_from_the_future_is_none_to_an_agent_that_starts(tmp_path: Path) -> None:
    Room(tmp_path).judged(proven_s=0)
    earlier = FakeClock(START - timedelta(days=1))
    proof = Proof(tmp_path, SETTINGS, earlier, lambda _: None)
    earlier.advance(1861)
    proof.look()
    assert (proof.proven_age_s, proof.word) == (None, "overdue")


def test_a_page_proven_while_the_clock_is_set_is_as_fresh_as_the_verdict(tmp_path: Path) -> None:
    for set_by_s in (-DAY_S, DAY_S):
        room = Room(tmp_path)
        room.judged(Part.BROKER)
        room.clock.advance(60)
        answered_s = (room.clock.utc() - START).total_seconds()
        room.clock.set_by(set_by_s)
        room.judged(proven_s=answered_s)
        assert 0 <= room.measured_s <= 60
