from __future__ import annotations

from dataclasses import replace

import pytest

from edge.domain.alert import AlertStatus
from edge.domain.evidence import find, nothing_found
from edge.domain.finding import Finding, FindingRule, Level, Places
from edge.domain.outcome import OutcomeKind
from edge.domain.triage import final_status, preliminary
from tests.builders import BLEED, evidence, header, uid

SLICES = [header(i) for i in range(6)]


def test_two_neighbours_over_the_page_point_page() -> None:
    said = {uid(i): evidence(i, 0.9 if i in (2, 3) else 0.1) for i in range(6)}
    finding = find(BLEED, SLICES, said)
    assert finding is not None
    assert (finding.level, finding.slices) == (Level.PAGE, (uid(2), uid(3)))
    assert finding.volume_ml == pytest.approx(200.0 * 5 * 2 / 1000)


def test_what_pages_decides_and_what_reaches_the_worklist_around_it_is_reported() -> None:
    probability = {0: 0.5, 1: 0.1, 2: 0.5, 3: 0.9, 4: 0.9, 5: 0.5}
    said = {uid(i): evidence(i, p) for i, p in probability.items()}
    finding = find(BLEED, SLICES, said)
    assert finding is not None
    assert (finding.level, finding.slices) == (Level.PAGE, (uid(2), uid(3), uid(4), uid(5)))
    assert finding.volume_ml == pytest.approx(200.0 * 5 * 4 / 1000)
    # Twice as much blood around one slice beyond the page point is no page.
    alone = find(BLEED, SLICES, said | {uid(4): evidence(4, 0.5)})
    assert alone is not None
    assert alone.level is Level.WORKLIST


def test_a_finding_says_which_slices_from_the_feet_and_the_largest() -> None:
    areas = {2: 100.0, 3: 300.0, 4: 200.0}
    said = {uid(i): evidence(i, 0.9 if i in areas else 0.1, areas.get(i, 900.0)) for i in range(6)}
    finding = find(BLEED, SLICES, said)
    assert finding is not None
    assert (finding.key_slice, finding.area_mm2) == (uid(3), 300.0)
    assert finding.places == Places(first=3, last=5, largest=4, total=6)


def test_places_count_the_slices_that_are_there_by_now() -> None:
    finding = find(BLEED, SLICES[2:], {uid(i): evidence(i, 0.9) for i in (2, 3)})
    assert finding is not None
    assert finding.places == Places(first=1, last=2, largest=1, total=4)


def test_two_slices_that_are_no_neighbours_do_not_page() -> None:
    said = {uid(i): evidence(i, 0.9 if i in (1, 4) else 0.1) for i in range(6)}
    finding = find(BLEED, SLICES, said)
    assert finding is not None
    assert finding.level is Level.WORKLIST
    assert preliminary([BLEED], SLICES, said) == ()


def test_neighbours_across_a_gap_do_not_page() -> None:
    slices = [header(1), header(4)]
    said = {uid(i): evidence(i, 0.9) for i in (1, 4)}
    assert preliminary([BLEED], slices, said) == ()


def test_a_slice_without_evidence_yet_breaks_the_run() -> None:
    said = {uid(i): evidence(i, 0.9) for i in (1, 3)}
    assert preliminary([BLEED], SLICES, said) == ()


def test_too_little_volume_does_not_page() -> None:
    said = {uid(i): evidence(i, 0.9, area_mm2=10.0) for i in (2, 3)}
    assert preliminary([BLEED], SLICES, said) == ()


def asking(mm: float) -> FindingRule:
    return replace(BLEED, page=replace(BLEED.page, min_extent_mm=mm))


def test_slices_that_stand_for_too_little_of_the_patient_do_not_page_however_many_there_are() -> None:
    # 7.5 mm, and 8.75 mm.
    slices = [header(i, step_mm=1.25) for i in range(8)]
    six, seven = ({uid(i): evidence(i, 0.9 if i < n else 0.1) for i in range(8)} for n in (6, 7))
    assert preliminary([BLEED], slices, six) != ()
    assert preliminary([asking(8.0)], slices, six) == ()
    assert preliminary([asking(8.0)], slices, seven) != ()
    # What does not page for that is on the worklist, whose point does not ask for it.
    found = find(asking(8.0), slices, six)
    assert found is not None
    assert found.level is Level.WORKLIST


@pytest.mark.parametrize(("count", "step_mm"), [(2, 5.0), (2, 4.75), (5, 1.9), (10, 0.95)])
@pytest.mark.parametrize("from_mm", [0.0, -412.3, 1033.7])
def test_just_enough_is_enough_wherever_the_table_stands(count: int, step_mm: float, from_mm: float) -> None:
    said = {uid(i): evidence(i, 0.9) for i in range(count)}
    slices = [header(i, offset_mm=from_mm + i * step_mm, slice_thickness_mm=step_mm) for i in range(count)]
    assert preliminary([asking(count * step_mm)], slices, said) != ()
    assert preliminary([asking(count * step_mm + 0.2)], slices, said) == ()


@pytest.mark.parametrize(
    ("thickness_mm", "step_mm"),
    [(None, 5.0), (2.5, 5.0), (3.0, 6.0), (5.0, 4.33)],
    ids=["no thickness", "sparse", "sparser", "tilted gantry"],
)
def test_two_slices_stand_for_what_lies_between_them(thickness_mm: float | None, step_mm: float) -> None:
    # The step is known from the others; slices that promise no step have no neighbours before.
    slices = [header(i, step_mm=step_mm, slice_thickness_mm=thickness_mm) for i in range(6)]
    said = {uid(i): evidence(i, 0.9 if i in (2, 3) else 0.1) for i in range(6)}
    assert preliminary([asking(9.0)], slices, said) != ()
    found = find(asking(9.0), slices, said)
    assert found is not None
    ends_mm = max(thickness_mm or 0.0, step_mm)
    assert found.volume_ml == pytest.approx(200.0 * (ends_mm + step_mm) / 1000)


def test_nothing_over_any_point_is_no_finding() -> None:
    assert find(BLEED, SLICES, {uid(i): evidence(i, 0.1) for i in range(6)}) is None


FOUND = Finding(BLEED, Level.PAGE, 0.9, 5.0, (uid(2), uid(3)), uid(2))
MAYBE = Finding(BLEED, Level.WORKLIST, 0.5, 1.0, (uid(2),), uid(2))


@pytest.mark.parametrize(
    ("paged", "finding", "kind", "status"),
    [
        (True, FOUND, OutcomeKind.FINDING, AlertStatus.CONFIRMED),
        (False, FOUND, OutcomeKind.FINDING, AlertStatus.CONFIRMED),
        (True, None, OutcomeKind.NO_FINDING, AlertStatus.RETRACTED),
        (True, MAYBE, OutcomeKind.FINDING, AlertStatus.RETRACTED),
        (False, MAYBE, OutcomeKind.FINDING, None),
        (False, None, OutcomeKind.NO_FINDING, None),
        (True, None, OutcomeKind.INCOMPLETE, AlertStatus.INCOMPLETE),
        (False, FOUND, OutcomeKind.INCOMPLETE, AlertStatus.INCOMPLETE),
        (False, None, OutcomeKind.INCOMPLETE, None),
        (True, None, OutcomeKind.FAILED, AlertStatus.INCOMPLETE),
    ],
)
def test_only_a_complete_series_takes_a_page_back(
    paged: bool, finding: Finding | None, kind: OutcomeKind, status: AlertStatus | None
) -> None:
    assert final_status(paged, finding, kind) is status


def test_a_retraction_names_what_is_left() -> None:
    left = nothing_found(BLEED, {uid(1): evidence(1, 0.2), uid(2): evidence(2, 0.3)})
    assert (left.probability, left.key_slice, left.slices, left.places) == (0.3, uid(2), (), None)
