from __future__ import annotations

from dataclasses import replace

import pytest

from edge.domain.alert import AlertStatus
from edge.domain.evidence import find, nothing_found
from edge.domain.finding import Finding, Level, Places
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


def test_slices_that_stand_for_too_little_of_the_patient_do_not_page_however_many_there_are() -> None:
    # 7.5 mm, and 8.75 mm.
    rule = replace(BLEED, page=replace(BLEED.page, min_extent_mm=8.0))
    slices = [header(i, step_mm=1.25, slice_thickness_mm=1.25) for i in range(8)]
    six, seven = ({uid(i): evidence(i, 0.9 if i < n else 0.1) for i in range(8)} for n in (6, 7))
    assert preliminary([BLEED], slices, six) != ()
    assert preliminary([rule], slices, six) == ()
    assert preliminary([rule], slices, seven) != ()


def test_two_thick_slices_stand_for_as_much_as_many_thin_ones() -> None:
    rule = replace(BLEED, page=replace(BLEED.page, min_extent_mm=9.5))
    assert preliminary([rule], SLICES, {uid(i): evidence(i, 0.9) for i in (2, 3)}) != ()


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
