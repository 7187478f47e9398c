"""Two reconstructions of one acquisition on their way through the agent: one negative, and every finding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge.domain.identity import SeriesInstanceUID, SopInstanceUID
from edge.domain.outcome import Outcome, OutcomeKind
from edge.domain.scanner import Scanners
from edge.domain.series import SliceHeader
from tests.builders import header
from tests.fakes.scanner_room import ScannerRoom
from tests.unit.test_agent import play

RAYS: dict[str, Any] = {
    "frame_of_reference_uid": "1.9",
    "acquisition_number": 2,
    "acquired_at": "20240501030000",
    "manufacturer": "SIEMENS",
}


def made(series: str, kernel: str, *, step_mm: float = 5.0, **more: Any) -> list[SliceHeader]:
    """A head to the vertex at 150 mm, whatever the thickness."""
    count = round(150 / step_mm)
    return [
        replace(
            header(
                i,
                step_mm=step_mm,
                series_instance_uid=SeriesInstanceUID(series),
                sop_instance_uid=SopInstanceUID(f"{series}.{i}"),
                convolution_kernel=kernel,
                **{**RAYS, **more},
            ),
            head_area_mm2=header(0).head_area_mm2 * _dome(i * step_mm),
            cranial_area_mm2=header(3).cranial_area_mm2 * _dome(i * step_mm) * (i * step_mm >= 15),
        )
        for i in range(count)
    ]


def _dome(height_mm: float) -> float:
    return max(0.0, 1 - (height_mm / 165) ** 2)


SOFT, THIN = made("1.1", "H30s"), made("1.2", "H31s", step_mm=2.5)
MEDIUM = made("1.3", "H50s")


def last(room: ScannerRoom) -> dict[str, Outcome]:
    ordered = sorted(room.ledger.outcomes.items(), key=lambda item: item[0][1])
    return {series: outcome for (series, _), (outcome, _) in ordered}


def ends(outcome: Outcome) -> tuple[OutcomeKind, str]:
    return outcome.kind, outcome.reason


GAVE_WAY = (OutcomeKind.NOT_ELIGIBLE, "other_reconstruction")


def test_of_two_without_a_finding_the_first_whole_one_speaks() -> None:
    async def script(room: ScannerRoom) -> None:
        for name, slices in (("a", MEDIUM), ("b", SOFT)):
            room.opens(name)
            room.sends(name, *slices)
            room.releases(name)
            await room.until_outcomes(1 if name == "a" else 2)
        medium, soft = last(room)["1.3"], last(room)["1.1"]
        assert medium.kind is OutcomeKind.NO_FINDING
        assert ends(soft) == GAVE_WAY
        assert soft.choice is not None
        assert soft.choice.series_token == medium.series.series_token
        assert medium.series.series_token in soft.detail

    play(script)


def test_of_two_at_once_the_one_that_suits_the_model_speaks() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.opens("b")
        room.sends("b", *SOFT[:20])
        room.sends("a", *MEDIUM)
        room.releases("a")
        (first,) = await room.until_outcomes(1)
        assert ends(first) == GAVE_WAY
        room.sends("b", *SOFT[20:])
        room.releases("b")
        await room.until_outcomes(2)
        soft = last(room)["1.1"]
        assert soft.kind is OutcomeKind.NO_FINDING
        assert soft.choice is not None
        assert (soft.choice.series_token, soft.choice.others) == (
            soft.series.series_token,
            (first.series.series_token,),
        )

    assert play(script).pages == []


@pytest.mark.parametrize("restart", [False, True])
def test_the_other_one_counts_when_the_chosen_one_stays_incomplete(restart: bool) -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.opens("b")
        room.sends("b", *SOFT[:20])
        room.sends("a", *MEDIUM)
        room.releases("a")
        (first,) = await room.until_outcomes(1)
        assert ends(first) == GAVE_WAY
        if restart:
            await room.until_read()
            await room.dies()
            room.starts()
        room.aborts("b")
        await room.until_outcomes(3)
        assert last(room)["1.1"].kind is OutcomeKind.INCOMPLETE
        medium = last(room)["1.3"]
        assert (medium.kind, medium.series.revision) == (OutcomeKind.NO_FINDING, 2)
        assert medium.series.predecessor == first.outcome_id
        await room.until_read()

    assert sorted(play(script, deadline_s=0.4).results) == ["incomplete", "no_finding", "not_eligible"]


def test_the_other_one_counts_when_a_late_slice_breaks_the_chosen_one() -> None:
    async def script(room: ScannerRoom) -> None:
        for name, slices in (("a", SOFT), ("b", MEDIUM)):
            room.opens(name)
            room.sends(name, *slices)
            room.releases(name)
            await room.until_outcomes(1 if name == "a" else 2)
        assert ends(last(room)["1.3"]) == GAVE_WAY
        stranger = replace(SOFT[-1], sop_instance_uid=SopInstanceUID("1.1.99"), offset_mm=400.0)
        room.opens("c")
        room.sends("c", stranger)
        room.aborts("c")
        await room.until_outcomes(4)
        assert last(room)["1.1"].kind is OutcomeKind.INCOMPLETE
        assert last(room)["1.3"].kind is OutcomeKind.NO_FINDING

    play(script, deadline_s=0.4)


def test_one_that_gave_way_before_a_crash_counts_after_it() -> None:
    """The chosen one is over and says nothing; the agent died before the other one could begin again."""

    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.opens("b")
        room.sends("b", *SOFT[:20])
        room.sends("a", *MEDIUM)
        room.releases("a")
        await room.until_outcomes(1)
        unspoken, room.ledger.unspoken = room.ledger.unspoken, lambda _=None: {}  # type: ignore[method-assign]
        room.aborts("b")
        await room.until_outcomes(2)
        await room.dies()
        room.ledger.unspoken = unspoken  # type: ignore[method-assign]
        room.starts()
        await room.until_outcomes(3)
        assert last(room)["1.3"].kind is OutcomeKind.NO_FINDING

    play(script, deadline_s=0.4)


@pytest.mark.parametrize("first", ["soft", "thin"])
def test_a_finding_is_said_whatever_the_other_one_says(first: str) -> None:
    async def script(room: ScannerRoom) -> None:
        thin, soft = ("thin", THIN, [20, 21, 22]), ("soft", SOFT, [])
        order = [soft, thin] if first == "soft" else [thin, soft]
        for n, (name, slices, blood) in enumerate(order, start=1):
            room.opens(name)
            room.sends(name, *slices, blood=blood)
            room.releases(name)
            await room.until_outcomes(n)
        found, other = last(room)["1.2"], last(room)["1.1"]
        assert found.kind is OutcomeKind.FINDING
        if first == "thin":
            assert ends(other) == GAVE_WAY
            assert "finding" in other.detail
        else:
            assert other.kind is OutcomeKind.NO_FINDING

    assert [status for status, _ in play(script).pages] == ["preliminary", "confirmed"]


def test_another_study_or_scan_is_no_other_reconstruction() -> None:
    again = made("1.4", "H30s", acquired_at="20240501040000")

    async def script(room: ScannerRoom) -> None:
        for n, (name, slices) in enumerate((("a", SOFT), ("b", again)), start=1):
            room.opens(name)
            room.sends(name, *slices)
            room.releases(name)
            await room.until_outcomes(n)

    assert play(script).results == ["no_finding", "no_finding"]


@pytest.mark.parametrize("first", ["CT_ER_1", "CT_TEST"])
@pytest.mark.parametrize("at_once", [False, True])
def test_a_test_of_an_acquisition_leaves_the_negative_to_the_patients_series(
    first: str, *, at_once: bool
) -> None:
    async def script(room: ScannerRoom) -> None:
        second = "CT_TEST" if first == "CT_ER_1" else "CT_ER_1"
        slices = {"CT_ER_1": MEDIUM, "CT_TEST": SOFT}
        room.opens("a", first)
        if at_once:
            room.opens("b", second)
            room.sends("b", *slices[second][:20])
        room.sends("a", *slices[first])
        room.releases("a")
        await room.until_outcomes(1)
        if not at_once:
            room.opens("b", second)
        room.sends("b", *slices[second][20 * at_once :])
        room.releases("b")
        await room.until_outcomes(2)
        assert {o.series.test for o in last(room).values()} == {False, True}
        assert {o.kind for o in last(room).values()} == {OutcomeKind.NO_FINDING}

    play(script, scanners=Scanners({}, {"CT_TEST"}))
