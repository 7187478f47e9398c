"""Frames of multi-frame instances: names, and what is missing of those that began."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from edge.domain.case import SeriesCase
from edge.domain.frame import Concatenation, frame_name, frame_of, frames_missing, instance_of
from edge.domain.identity import AssociationId, SopInstanceUID, StudyInstanceUID
from edge.domain.series import SeriesInProgress, SliceHeader, UnusableInstance
from edge.domain.unusable import UnusableReason
from tests.builders import ANY_HEAD_CT, SERIES, header

A = AssociationId("a")
WHOLE = SopInstanceUID("1.2.840.7")


def framed(
    number: int,
    *,
    of: int = 30,
    instance: SopInstanceUID = WHOLE,
    place: int | None = None,
    concatenation: Concatenation | None = None,
) -> SliceHeader:
    return replace(
        header(number - 1 if place is None else place),
        sop_instance_uid=frame_name(instance, number),
        number_of_frames=of,
        concatenation=concatenation,
    )


@given(st.integers(1, 100_000))
def test_the_name_of_a_frame_leads_back(number: int) -> None:
    name = frame_name(WHOLE, number)
    assert (instance_of(name), frame_of(name)) == (WHOLE, number)


def test_a_slice_that_is_an_instance_is_its_own() -> None:
    assert (instance_of(WHOLE), frame_of(WHOLE)) == (WHOLE, None)


def test_single_slices_lack_no_frames() -> None:
    assert frames_missing([header(i) for i in range(3)], {}) == ""


def test_frames_are_counted_per_instance_with_those_set_aside() -> None:
    frames = [framed(k, of=4) for k in (1, 2)]
    assert frames_missing(frames, {}) == "2 frames"
    assert frames_missing(frames, {frame_name(WHOLE, 3), frame_name(WHOLE, 4)}) == ""


def test_a_concatenation_wants_all_its_parts() -> None:
    other = SopInstanceUID("1.2.840.8")
    first = [framed(1, of=1, concatenation=Concatenation("1.9", 1, 3))]
    assert frames_missing(first, {}) == "2 parts of a concatenation"
    third = framed(1, of=1, instance=other, concatenation=Concatenation("1.9", 3, 3))
    assert frames_missing([*first, third], {}) == "1 parts of a concatenation"


def test_a_concatenation_without_a_total_wants_the_parts_before_the_last() -> None:
    assert frames_missing([framed(1, of=1, concatenation=Concatenation("1.9", 2, 0))], {}) == (
        "1 parts of a concatenation"
    )
    assert frames_missing([framed(1, of=1, concatenation=Concatenation("1.9", 1, 0))], {}) == ""


def case_of(frames: list[SliceHeader]) -> SeriesCase:
    case = SeriesCase(SeriesInProgress(SERIES), ANY_HEAD_CT)
    for one in frames:
        case = case.slice_arrived(one, A, 1, 5.0)
    return case


def test_frames_are_one_instance_on_their_association() -> None:
    case = case_of([framed(k) for k in range(1, 31)]).association_released(A, 2)
    assert list(case.received_at) == [WHOLE]
    assert len(case.progress.slices) == 30
    assert case.settling
    assert case.missing() is None


def test_a_series_with_frames_to_come_is_not_whole() -> None:
    """By geometry alone a head that lacks its lowest slices may look whole."""
    missing = case_of([framed(k) for k in range(3, 31)]).association_released(A, 2).missing()
    assert missing is not None
    assert (missing.reason, missing.detail) == ("frames_missing", "2 frames")


def test_a_frame_that_cannot_be_read_bars_a_negative() -> None:
    lost = UnusableInstance(
        StudyInstanceUID("1.2"), SERIES, frame_name(WHOLE, 30), UnusableReason.BAD_GEOMETRY, True
    )
    case = case_of([framed(k) for k in range(1, 30)]).unusable_arrived(lost, A, 1, 5.0)
    assert list(case.received_at) == [WHOLE]
    missing = case.missing()
    assert missing is not None
    assert missing.reason == "unreadable_instance"
