from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.case import SeriesCase
from edge.domain.completeness import CompletionReason, Phase
from edge.domain.identity import AssociationId, StudyInstanceUID
from edge.domain.series import SeriesInProgress, UnusableInstance
from edge.domain.unusable import OTHER_KINDS, UnusableReason
from tests.builders import ANY_HEAD_CT, SERIES, header, uid

A, B = AssociationId("a"), AssociationId("b")


def empty() -> SeriesCase:
    return SeriesCase(SeriesInProgress(SERIES), ANY_HEAD_CT)


def filled(
    indices: range | list[int], association: AssociationId = A, case: SeriesCase | None = None
) -> SeriesCase:
    case = case or empty()
    for i in indices:
        sequence = case.through_sequence + 1
        case = case.slice_arrived(header(i), association, sequence, at=float(sequence))
    return case


def test_whole_head_then_release_is_complete_with_a_finding_or_after_quiet() -> None:
    case = filled(range(30)).association_released(A, 31)
    assert case.settling
    assert case.missing() is None
    assert case.finding_settled().decision.reason is CompletionReason.RELEASED
    assert case.quiet().decision.reason is CompletionReason.RELEASED


def test_half_a_head_with_a_clean_release_stays_open_and_ends_incomplete() -> None:
    """Contiguous geometry and a polite release are not enough when the scan ends in mid-head."""
    case = filled(range(22)).association_released(A, 23)
    assert case.decision.phase is Phase.COLLECTING
    overdue = case.quiet().overdue()
    assert overdue.decision.phase is Phase.INCOMPLETE
    missing = overdue.missing()
    assert missing is not None
    assert missing.reason == "vertex_not_covered"


def test_a_head_without_its_base_ends_incomplete_though_the_vertex_was_reached() -> None:
    """As tall as a head must be, but the posterior fossa is missing."""
    missing = filled(range(8, 30)).association_released(A, 31).missing()
    assert missing is not None
    assert missing.reason == "base_not_covered"


def test_too_short_a_scan_is_not_covered() -> None:
    missing = filled(range(15, 30)).association_released(A, 20).missing()
    assert missing is not None
    assert missing.reason == "coverage"


def test_abort_then_the_whole_study_again_is_complete() -> None:
    case = filled(range(20)).association_aborted(A, 21)
    for i in range(20):
        case = case.duplicate_arrived(uid(i), B, 22 + i)
    case = filled(range(20, 30), B, case).association_released(B, 60)
    assert case.finding_settled().decision.reason is CompletionReason.RELEASED


def test_abort_then_only_the_rest_is_not_trusted_to_be_the_retry() -> None:
    """Nobody can tell the rest of the aborted association from a parallel one that knew nothing of it."""
    case = filled(range(20)).association_aborted(A, 21)
    case = filled(range(20, 30), B, case).association_released(B, 60)
    assert case.decision.phase is Phase.COLLECTING
    assert case.quiet().overdue().decision.reason is CompletionReason.DEADLINE_ABORTED


def test_other_bytes_are_no_retry_and_bar_completion_for_good() -> None:
    case = filled(range(30)).association_aborted(A, 31)
    for i in range(30):
        case = case.duplicate_arrived(uid(i), B, 32 + i)
    case = case.conflict_arrived(uid(7), 70).association_released(B, 71)
    assert case.decision.phase is Phase.COLLECTING
    missing = case.missing()
    assert missing is not None
    assert (missing.reason, missing.detail) == ("conflicting_instance", "1 instances came with other bytes")
    assert case.quiet().overdue().decision.phase is Phase.INCOMPLETE


def test_a_release_of_an_association_older_than_the_abort_does_not_heal_it() -> None:
    case = filled(range(15), A)
    case = filled(range(15, 30), B, case).association_aborted(B, 40).association_released(A, 41)
    assert case.decision.phase is Phase.COLLECTING
    assert case.overdue().decision.reason is CompletionReason.DEADLINE_ABORTED


def test_another_association_still_open_keeps_the_series_open() -> None:
    case = filled(range(29), A)
    case = filled([29], B, case).association_released(A, 40)
    assert case.decision.phase is Phase.COLLECTING


@given(st.permutations(range(30)))
def test_any_order_of_arrival_closes_the_same_way(order: list[int]) -> None:
    case = filled(order).association_released(A, 31)
    assert case.progress == filled(range(30)).progress
    assert case.quiet().decision.reason is CompletionReason.RELEASED


@pytest.mark.parametrize("reason", UnusableReason)
def test_a_damaged_instance_bars_completion(reason: UnusableReason) -> None:
    lost = UnusableInstance(StudyInstanceUID("1.2"), SERIES, uid(99), reason, True)
    case = filled(range(30)).unusable_arrived(lost, A, 31, 31.0).association_released(A, 32)
    assert case.decision.phase is Phase.COLLECTING
    missing = case.missing()
    assert missing is not None
    assert missing.reason == "unreadable_instance"


@pytest.mark.parametrize("reason", UnusableReason)
def test_only_another_kind_of_object_is_set_aside_without_harm(reason: UnusableReason) -> None:
    report = UnusableInstance(StudyInstanceUID("1.2"), SERIES, uid(99), reason, False)
    case = filled(range(30)).unusable_arrived(report, A, 31, 31.0).association_released(A, 32)
    assert case.settling
    assert (case.set_aside() is None) == (reason in OTHER_KINDS)


def test_a_localizer_in_the_series_is_set_aside() -> None:
    case = empty().slice_arrived(header(99, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")), A, 1, 1.0)
    case = filled(range(30), A, case).association_released(A, 40)
    assert case.settling
    assert case.set_aside() is None
    assert list(case.out_of_scope.values()) == ["localizer"]


def test_an_association_that_brought_nothing_of_this_series_changes_nothing() -> None:
    case = filled(range(30))
    assert case.association_released(B, 50) is case
    assert case.association_aborted(B, 50) is case


def test_associations_of_an_earlier_revision_are_not_waited_for() -> None:
    case = filled(range(29), A).associations_over(frozenset({A}))
    case = filled([29], B, case).association_released(B, 40)
    assert case.decision.phase is Phase.SETTLING


def test_slices_the_model_may_not_see_bar_a_negative() -> None:
    case = empty()
    for i in range(30):
        case = case.slice_arrived(header(i, contrast=i < 5), A, i + 1, float(i))
    case = case.association_released(A, 31)
    barred = case.set_aside()
    assert barred is not None
    assert (barred.reason, barred.detail) == ("partly_out_of_scope", "5 of 30: contrast")


def test_no_head_in_the_pictures_is_never_whole() -> None:
    case = empty()
    for i in range(30):
        case = case.slice_arrived(header(i, head_area_mm2=0.0), A, i + 1, float(i))
    missing = case.missing()
    assert missing is not None
    assert missing.reason == "no_head"


def test_every_second_slice_missing_is_a_gap_though_the_steps_are_even() -> None:
    case = empty()
    for i in range(0, 30, 2):
        case = case.slice_arrived(header(i), A, i + 1, float(i))
    missing = case.missing()
    assert missing is not None
    assert missing.reason == "gap"


def test_a_stray_matrix_bars_a_negative_and_leaves_the_slabs_of_the_others() -> None:
    case = filled(range(30)).slice_arrived(header(31, rows=32, columns=32, offset_mm=52.0), A, 31, 31.0)
    missing = case.missing()
    assert missing is not None
    slabs = case.progress.slabs(3, closed=True)
    assert len(slabs) == 30
    assert all(uid(31) not in slab.slices for slab in slabs)
