"""Damage that names no series, across restarts: what it barred stays barred."""

from __future__ import annotations

import pytest

from edge.domain.announcement import Standing
from edge.domain.frame import frame_name
from edge.domain.identity import SopInstanceUID, StudyInstanceUID, made_up_series
from edge.domain.outcome import OutcomeKind
from edge.domain.series import UnusableInstance
from edge.domain.unusable import UnusableReason
from tests.builders import SERIES
from tests.fakes.scanner_room import HEAD, ScannerRoom
from tests.unit.test_agent import play

LOST, WHOLE = SopInstanceUID("7.7"), SopInstanceUID("1.2.9")
NAMELESS = UnusableInstance(
    StudyInstanceUID(""), made_up_series(LOST), LOST, UnusableReason.NOT_DICOM, True, series_known=False
)
UNREADABLE = (OutcomeKind.INCOMPLETE, "unreadable_instance")


@pytest.fixture(autouse=True)
def few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.surroundings.READ_ATTEMPTS", 1)


async def restarted(room: ScannerRoom) -> None:
    await room.until_read()
    await room.dies()
    room.starts()


@pytest.mark.parametrize("place", [0, 12, 29])
def test_a_restart_does_not_forget_what_the_damage_bars(place: int) -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD[:place], NAMELESS, *HEAD[place:29])
        room.releases("a")
        outcomes = await room.until_outcomes(2)
        assert {o.kind for o in outcomes} == {OutcomeKind.INCOMPLETE, OutcomeKind.FAILED}
        await restarted(room)
        room.opens("b")
        room.sends("b", HEAD[29])
        room.releases("b")
        *_, late = await room.until_outcomes(3)
        assert (late.kind, late.reason) == UNREADABLE
        await restarted(room)
        await room.until_read()

    # The damaged instance is read again each time, and never said again.
    assert sorted(play(script, deadline_s=0.3).results) == ["failed", "incomplete", "incomplete"]


def test_a_file_within_reach_after_a_restart_takes_its_place() -> None:
    async def script(room: ScannerRoom) -> None:
        room.model.out_of_reach = {HEAD[4].sop_instance_uid}
        room.opens("a")
        room.sends("a", *HEAD)
        room.releases("a")
        await room.until_outcomes(2)
        room.model.out_of_reach = set()
        await restarted(room)
        *_, healed = await room.until_outcomes(3)
        assert (healed.kind, healed.series.revision, healed.instances) == (OutcomeKind.NO_FINDING, 2, 30)

    play(script, deadline_s=0.3)


def test_an_unreadable_frame_leaves_its_instance_where_the_others_said() -> None:
    async def script(room: ScannerRoom) -> None:
        room.model.out_of_reach = {frame_name(WHOLE, 28)}
        room.opens("a")
        room.sends_frames("a", WHOLE, *HEAD[:28])
        room.releases("a")
        (first,) = await room.until_outcomes(1)
        assert (first.series.series_instance_uid, first.kind, first.reason) == (SERIES, *UNREADABLE)
        assert set(room.ledger.series_of_instances().values()) == {SERIES}
        await restarted(room)
        room.opens("b")
        room.sends("b", *HEAD[28:])
        room.releases("b")
        _, second = await room.until_outcomes(2)
        assert (second.kind, second.reason, second.instances) == (*UNREADABLE, 3)

    assert play(script, deadline_s=0.3).results == ["incomplete", "incomplete"]


def test_a_slice_that_was_read_before_keeps_its_series_when_it_cannot_be_read_again() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD)
        await room.until_read()
        room.model.out_of_reach = {HEAD[29].sop_instance_uid}
        await restarted(room)
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.series.series_instance_uid, outcome.kind, outcome.reason) == (SERIES, *UNREADABLE)
        assert set(room.ledger.series_of_instances().values()) == {SERIES}

    assert play(script, deadline_s=0.3).results == ["incomplete"]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("announced", [False, True])
@pytest.mark.parametrize("blood", [[], [8, 9, 10]])
def test_damage_after_the_outcome_of_a_sibling_takes_its_word_back(
    restart: bool, announced: bool, blood: list[int]
) -> None:
    """The association goes on: what cannot be read may be of the head that was said to be whole."""

    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD, blood=blood)
        room.releases("a")
        if announced:
            room.says(Standing.COMPLETED, *HEAD)
        (first,) = await room.until_outcomes(1)
        assert first.kind is (OutcomeKind.FINDING if blood else OutcomeKind.NO_FINDING)
        room.opens("c")
        room.sends("c", HEAD[3])
        if restart:
            await restarted(room)
        room.sends("c", NAMELESS)
        await room.until_outcomes(3)
        by_series = {o.series.series_instance_uid: o for o, _ in room.ledger.outcomes.values()}
        taken_back = by_series[SERIES]
        reason = "deadline_unannounced" if announced else "unreadable_instance"
        assert (taken_back.kind, taken_back.reason) == (OutcomeKind.INCOMPLETE, reason)
        assert taken_back.series.revision == 2
        assert taken_back.series.predecessor == first.outcome_id
        await restarted(room)
        await room.until_read()

    room = play(script, deadline_s=0.3)
    assert sorted(room.results) == sorted(["finding" if blood else "no_finding", "failed", "incomplete"])


def test_damage_after_its_own_series_ended_incomplete_says_nothing_new() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD[:12])
        await room.until_outcomes(1)
        room.sends("a", NAMELESS)
        await room.until_outcomes(2)
        await room.until_read()

    assert sorted(play(script, deadline_s=0.3).results) == ["failed", "incomplete"]
