"""Other bytes under known UIDs: the scanner holds pixels that the model never saw."""

from __future__ import annotations

import pytest

from edge.domain.outcome import OutcomeKind
from tests.builders import header
from tests.fakes.scanner_room import HEAD, ScannerRoom
from tests.unit.test_agent import play

CONFLICT = (OutcomeKind.INCOMPLETE, "conflicting_instance")


@pytest.mark.parametrize("restart", [False, True])
def test_other_bytes_do_not_heal_an_abort_and_bar_a_negative(restart: bool) -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD)
        room.aborts("a")
        room.opens("b")
        room.sends_other_bytes("b", *HEAD)
        if restart:
            await room.until_read()
            await room.dies()
            room.starts()
        room.releases("b")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == CONFLICT
        assert outcome.detail == "30 instances came with other bytes"

    assert play(script, deadline_s=0.3).results == ["incomplete"]


def test_one_other_slice_in_a_clean_series_bars_a_negative_and_its_page_stands() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD, blood=[8, 9])
        room.sends_other_bytes("a", HEAD[20])
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == CONFLICT

    assert [status for status, _ in play(script, deadline_s=0.3).pages] == ["preliminary", "incomplete"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_conflict_after_a_negative_makes_one_revision(restart: bool) -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD)
        room.releases("a")
        (first,) = await room.until_outcomes(1)
        assert first.kind is OutcomeKind.NO_FINDING
        if restart:
            await room.dies()
            room.starts()
        room.opens("b")
        room.sends_other_bytes("b", HEAD[4])
        room.releases("b")
        _, second = await room.until_outcomes(2)
        assert (second.kind, second.reason) == CONFLICT
        assert second.series.predecessor == first.outcome_id
        await room.dies()
        room.starts()
        await room.until_read()

    assert play(script, deadline_s=0.3).results == ["no_finding", "incomplete"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_later_revision_remembers_the_conflict(restart: bool) -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD[:29])
        room.sends_other_bytes("a", HEAD[4])
        room.releases("a")
        await room.until_outcomes(1)
        if restart:
            await room.dies()
            room.starts()
        room.opens("b")
        room.sends("b", *HEAD)
        room.releases("b")
        _, second = await room.until_outcomes(2)
        assert (second.kind, second.reason) == CONFLICT

    assert play(script, deadline_s=0.3).results == ["incomplete", "incomplete"]


def test_a_series_that_is_not_eligible_stays_so() -> None:
    async def script(room: ScannerRoom) -> None:
        others = [header(i, modality="MR") for i in range(30)]
        room.opens("a")
        room.sends("a", *others)
        room.sends_other_bytes("a", others[3])
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.NOT_ELIGIBLE, "modality")

    play(script, deadline_s=0.3)
