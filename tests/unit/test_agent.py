from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.identity import SeriesInstanceUID, SopInstanceUID, StudyInstanceUID, made_up_series
from edge.domain.outcome import OutcomeKind
from edge.domain.queueing import FRESH_S, Priority
from edge.domain.series import UnusableInstance
from edge.domain.unusable import UnusableReason
from edge.errors import RefuseModel
from edge.telemetry.events import TaskFailed
from tests.builders import header
from tests.fakes.scanner_room import HEAD, ScannerRoom
from tests.fakes.virtual_time import run_in_virtual_time


def play(script: Callable[[ScannerRoom], Awaitable[None]], **about: Any) -> ScannerRoom:
    async def run() -> ScannerRoom:
        room = ScannerRoom(**about)
        room.starts()
        try:
            await script(room)
        finally:
            await room.dies()
        return room

    return run_in_virtual_time(run())


def test_a_bleed_is_paged_while_slices_arrive_and_confirmed_at_the_end() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD[:15], blood=[8, 9, 10])
        await room.until_pages(1)
        assert room.ledger.outcomes == {}
        room.sends("a", *HEAD[15:])
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.FINDING, "released")

    room = play(script)
    assert [status for status, _ in room.pages] == ["preliminary", "confirmed"]
    assert len({alert for _, alert in room.pages}) == 1
    assert room.results == ["finding"]


@pytest.mark.parametrize(
    ("waited_s", "first"), [(FRESH_S - 60, Priority.ARRIVING), (FRESH_S + 60, Priority.ROUTINE)]
)
def test_a_head_of_a_backlog_is_routine_until_it_shows_something(waited_s: float, first: Priority) -> None:
    async def run() -> list[tuple[str, Priority]]:
        room = ScannerRoom()
        room.opens("a")
        room.sends("a", *HEAD[:20], blood=[8, 9, 10])
        room.clock.advance(waited_s)
        room.starts()
        try:
            await room.until_pages(1)
            room.sends("a", *HEAD[20:])
            room.releases("a")
            await room.until_outcomes(1)
        finally:
            await room.dies()
        return room.model.asked

    asked = [priority for _, priority in run_in_virtual_time(run())]
    assert asked[0] is first
    assert set(asked[-5:]) == {Priority.SUSPICIOUS}


def test_a_head_that_has_paged_goes_first_after_a_restart_as_well() -> None:
    async def run() -> list[tuple[str, Priority]]:
        room = ScannerRoom()
        room.opens("a")
        room.sends("a", *HEAD[:20], blood=[8, 9, 10])
        room.starts()
        await room.until_pages(1)
        await room.dies()
        room.clock.advance(FRESH_S + 60)
        room.model.asked.clear()
        room.starts()
        try:
            room.sends("a", *HEAD[20:])
            room.releases("a")
            await room.until_outcomes(1)
        finally:
            await room.dies()
        return room.model.asked

    assert {priority for _, priority in run_in_virtual_time(run())} == {Priority.SUSPICIOUS}


def test_a_head_without_blood_is_said_to_have_none() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD)
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert outcome.kind is OutcomeKind.NO_FINDING

    assert play(script).pages == []


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(30)), st.booleans())
def test_any_order_ends_in_the_same_outcome(order: list[int], one_association: bool) -> None:
    async def script(room: ScannerRoom) -> None:
        for n, i in enumerate(order):
            association = "a" if one_association else f"a{n}"
            if n == 0 or not one_association:
                room.opens(association)
            room.sends(association, HEAD[i], blood=[0] if i in (8, 9, 10) else [])
            if not one_association:
                room.releases(association)
        if one_association:
            room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        (finding,) = outcome.findings
        assert [uid.rsplit(".")[-1] for uid in finding.slices] == ["8", "9", "10"]
        outcomes.add((outcome.outcome_id, outcome.kind, finding.volume_ml))

    outcomes: set[tuple[str, str, float]] = set()
    play(script)
    assert len(outcomes) == 1


def test_a_gap_ends_incomplete_and_never_negative() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD[:12], *HEAD[13:])
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.INCOMPLETE, "gap")
        assert "10.0 mm after 55.0 mm" in outcome.detail

    assert play(script, deadline_s=0.3).results == ["incomplete"]


def test_an_abort_without_retry_is_incomplete_and_its_page_stands() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD[:20], blood=[8, 9])
        room.aborts("a")
        (outcome,) = await room.until_outcomes(1)
        assert outcome.kind is OutcomeKind.INCOMPLETE

    assert [status for status, _ in play(script, deadline_s=0.3).pages] == ["preliminary", "incomplete"]


def test_an_abort_and_the_retry_of_the_whole_study_are_one_complete_result() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD[:20], blood=[8, 9])
        room.aborts("a")
        room.opens("b")
        room.sends("b", *HEAD)
        room.releases("b")
        await room.until_outcomes(1)

    room = play(script)
    assert room.results == ["finding"]
    assert [status for status, _ in room.pages] == ["preliminary", "confirmed"]


def test_a_late_slice_makes_a_revision_that_names_its_predecessor() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD[:29])
        room.releases("a")
        (first,) = await room.until_outcomes(1)
        room.opens("b")
        room.sends("b", HEAD[29])
        room.releases("b")
        first, second = await room.until_outcomes(2)
        assert (second.series.revision, second.series.predecessor) == (2, first.outcome_id)
        assert second.instances == 30

    play(script)


def test_a_whole_study_sent_again_makes_no_new_work() -> None:
    async def script(room: ScannerRoom) -> None:
        for association in ("a", "b"):
            room.opens(association)
            room.sends(association, *HEAD)
            room.releases(association)
        await room.until_outcomes(1)
        await room.until_read()

    assert play(script).results == ["no_finding"]


def test_two_series_interleaved_on_one_association_end_separately() -> None:
    other = [
        header(i, series_instance_uid=SeriesInstanceUID("9.9"), sop_instance_uid=SopInstanceUID(f"9.9.{i}"))
        for i in range(30)
    ]

    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        for i, (mine, theirs) in enumerate(zip(HEAD, other, strict=True)):
            room.sends("a", mine, blood=[0] if i in (8, 9) else [])
            room.sends("a", theirs)
        room.releases("a")
        outcomes = await room.until_outcomes(2)
        assert {o.series.series_instance_uid: o.kind for o in outcomes} == {
            "1.2.3": OutcomeKind.FINDING,
            "9.9": OutcomeKind.NO_FINDING,
        }

    play(script)


@pytest.mark.parametrize("crash_after", [0, 5, 12, 29])
def test_a_restart_in_the_middle_gives_the_same_pages_and_one_outcome(crash_after: int) -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD[:crash_after], blood=[8, 9, 10])
        if crash_after > 11:
            await room.until_pages(1)
        await room.dies()
        room.starts()
        room.sends("a", *HEAD[crash_after:], blood=[i - crash_after for i in (8, 9, 10)])
        room.releases("a")
        await room.until_outcomes(1)
        await room.dies()
        room.starts()
        await room.until_read()

    room = play(script)
    assert room.results == ["finding"]
    assert [status for status, _ in room.pages][-1] == "confirmed"
    assert len(set(room.pages)) == len(room.pages)


def test_another_modality_is_not_eligible_and_never_goes_to_the_model() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *[header(i, modality="MR") for i in range(30)])
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.NOT_ELIGIBLE, "modality")

    assert play(script).model.asked == []


def test_a_series_of_damaged_files_fails_by_name() -> None:
    lost = UnusableInstance(
        StudyInstanceUID("1.2"),
        SeriesInstanceUID("5.5"),
        SopInstanceUID("5.5.1"),
        UnusableReason.TRUNCATED,
        True,
    )

    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", lost)
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, "unreadable_instance")

    play(script, deadline_s=0.3)


def test_a_model_that_refuses_fails_the_series_and_says_nothing_negative() -> None:
    async def script(room: ScannerRoom) -> None:
        room.model.error = RefuseModel("wrong shape")
        room.opens("a")
        room.sends("a", *HEAD)
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, "model_refused")

    play(script)


def test_an_error_of_ours_is_tried_again_and_then_named() -> None:
    async def script(room: ScannerRoom) -> None:
        room.model.error = ZeroDivisionError("secret text")
        room.opens("a")
        room.sends("a", *HEAD)
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, "internal_error")

    room = play(script)
    failures = [h for h in room.happenings if isinstance(h, TaskFailed)]
    assert len(failures) == 3
    assert all("secret" not in h.error and "ZeroDivisionError" in h.error for h in failures)


def test_slow_inference_holds_the_outcome_back() -> None:
    async def script(room: ScannerRoom) -> None:
        room.model.open.clear()
        room.opens("a")
        room.sends("a", *HEAD)
        room.releases("a")
        await room.until_read()
        assert room.ledger.outcomes == {}
        room.model.open.set()
        await room.until_outcomes(1)

    play(script)


def test_a_first_release_before_the_rest_of_the_head_says_nothing_negative() -> None:
    """Some senders release every few images; the blood may be on the next association."""

    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD[:8:-1])
        room.releases("a")
        await room.until_read()
        room.opens("b")
        room.sends("b", *HEAD[8::-1], blood=[2, 3, 4])
        room.releases("b")
        await room.until_outcomes(1)

    assert play(script, quiet_s=0.5).results == ["finding"]


def test_a_poisonous_slab_does_not_silence_the_others() -> None:
    async def script(room: ScannerRoom) -> None:
        room.model.refused = {3}
        room.opens("a")
        room.sends("a", *HEAD, blood=[20, 21, 22])
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.FAILED, "model_refused")

    assert play(script, deadline_s=1.0).pages[0][0] == "preliminary"


def test_an_incomplete_series_is_healed_by_the_whole_study_sent_again() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD)
        room.aborts("a")
        (first,) = await room.until_outcomes(1)
        assert first.reason == "deadline_aborted"
        room.opens("b")
        room.sends("b", *HEAD)
        room.releases("b")
        _, second = await room.until_outcomes(2)
        assert (second.kind, second.series.predecessor) == (OutcomeKind.NO_FINDING, first.outcome_id)

    play(script, deadline_s=0.3)


def test_an_incomplete_series_is_healed_by_the_late_release_of_its_association() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD, blood=[8, 9])
        (first,) = await room.until_outcomes(1)
        assert first.reason == "deadline_open"
        room.releases("a")
        _, second = await room.until_outcomes(2)
        assert second.kind is OutcomeKind.FINDING

    room = play(script, deadline_s=0.3)
    assert [status for status, _ in room.pages] == ["preliminary", "incomplete", "confirmed"]


def test_a_full_disk_delays_the_outcome_and_changes_nothing() -> None:
    async def script(room: ScannerRoom) -> None:
        room.ledger.full = 2
        room.opens("a")
        room.sends("a", *HEAD, blood=[8, 9])
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert outcome.kind is OutcomeKind.FINDING

    assert play(script).results == ["finding"]


def test_slow_decoding_of_others_is_not_quiet() -> None:
    """What waits in the journal was received: the deadline must not pass over it."""
    other = header(0, series_instance_uid=SeriesInstanceUID("9.9"), sop_instance_uid=SopInstanceUID("9.9.0"))

    async def script(room: ScannerRoom) -> None:
        room.model.slow_s = {other.sop_instance_uid: 0.6}
        room.opens("b")
        for i, one in enumerate(HEAD):
            room.opens(f"a{i}")
            room.sends(f"a{i}", one, blood=[0] if i in (24, 25) else [])
            room.releases(f"a{i}")
            if i == 22:
                room.sends("b", other)
        outcomes = await room.until_outcomes(1)
        assert outcomes[0].kind is OutcomeKind.FINDING

    play(script, quiet_s=0.2, deadline_s=0.4)


def test_damage_that_names_no_series_bars_a_negative_for_all_of_its_association() -> None:
    nameless = UnusableInstance(
        StudyInstanceUID(""),
        made_up_series(SopInstanceUID("7.7")),
        SopInstanceUID("7.7"),
        UnusableReason.NOT_DICOM,
        True,
        False,
    )

    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD[1:10])
        room.sends("a", nameless)
        room.sends("a", *HEAD[10:])
        room.releases("a")
        await room.until_outcomes(2)

    assert sorted(play(script, deadline_s=0.3).results) == ["failed", "incomplete"]


def test_a_file_out_of_reach_bars_a_negative_and_holds_nobody_else_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.surroundings.READ_ATTEMPTS", 2)
    other = [
        header(i, series_instance_uid=SeriesInstanceUID("9.9"), sop_instance_uid=SopInstanceUID(f"9.9.{i}"))
        for i in range(30)
    ]

    async def script(room: ScannerRoom) -> None:
        room.model.out_of_reach = {HEAD[4].sop_instance_uid}
        for association, slices in (("a", HEAD), ("b", other)):
            room.opens(association)
            room.sends(association, *slices)
            room.releases(association)
        outcomes = await room.until_outcomes(3)
        assert {str(o.series.series_instance_uid): o.kind for o in outcomes} == {
            "1.2.3": OutcomeKind.INCOMPLETE,
            "9.9": OutcomeKind.NO_FINDING,
            made_up_series(SopInstanceUID("1.2.3.4")): OutcomeKind.FAILED,
        }

    play(script, deadline_s=0.5)
