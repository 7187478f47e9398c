"""Whatever bytes come as a procedure step or a notification: an announcement or a status, never an error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pynetdicom.dsutils import encode

from edge.dicom import instance_availability, procedure_step
from edge.dicom.announcement_data_set import MOST_BYTES
from edge.dicom.status import NoticeAnswer, NoticeStatus
from edge.domain.announcement import Announcement, Standing
from tests.contract.announcing import available, begun, ended

EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
IN_PROGRESS = Announcement("1.2", Standing.IN_PROGRESS, {})
NAMED = {"1.2.3": [f"1.2.3.{i}" for i in range(5)]}


def encoded(attributes: Dataset, syntax: str = EXPLICIT) -> bytes:
    content = encode(attributes, syntax == IMPLICIT, syntax != BIG)
    assert content is not None
    return content


def heard(content: bytes, syntax: str) -> list[Announcement | NoticeAnswer]:
    return [
        procedure_step.created("1.2", content, syntax),
        procedure_step.changed(IN_PROGRESS, content, syntax),
        instance_availability.notified("1.2", content, syntax),
    ]


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([EXPLICIT, IMPLICIT, BIG]))
def test_any_bytes_give_an_answer(content: bytes, syntax: str) -> None:
    for found in heard(content, syntax):
        assert isinstance(found, Announcement | NoticeAnswer)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from([EXPLICIT, IMPLICIT, BIG]))
def test_any_damage_to_a_real_one_gives_an_answer_and_keeps_no_name(data: st.DataObject, syntax: str) -> None:
    whole = data.draw(st.sampled_from([begun(), ended(NAMED), available(NAMED)]))
    content = bytearray(encoded(whole, syntax))
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[at] = data.draw(st.integers(0, 255))
    for found in heard(bytes(content[: data.draw(st.integers(0, len(content)))]), syntax):
        assert "SECRET" not in repr(found)


def test_an_item_with_an_element_of_no_known_kind_is_undecodable() -> None:
    whole = encoded(begun(), EXPLICIT)
    place = whole.index(b"\x20\x00\x0d\x00UI")
    damaged = whole[:place] + b"\x20\x00\x0d\x00ZZ" + whole[place + 6 :]
    refused = procedure_step.created("1.2", damaged, EXPLICIT)
    assert isinstance(refused, NoticeAnswer)
    assert refused.reason == "undecodable"


def test_nesting_without_end_is_undecodable() -> None:
    endless = b"\x40\x00\x40\x03SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 10_000
    refused = procedure_step.changed(IN_PROGRESS, endless, EXPLICIT)
    assert isinstance(refused, NoticeAnswer)
    assert refused.status is NoticeStatus.PROCESSING_FAILURE


def test_more_than_a_megabyte_is_not_even_looked_at() -> None:
    refused = procedure_step.created("1.2", bytes(MOST_BYTES + 1), EXPLICIT)
    assert isinstance(refused, NoticeAnswer)
    assert refused.status is NoticeStatus.RESOURCE_LIMITATION


@pytest.mark.parametrize(("item", "syntax"), [(b"\xfe\xff\x00\xe0", EXPLICIT), (b"\xff\xfe\xe0\x00", BIG)])
def test_a_megabyte_of_empty_items_is_not_looked_at_either(
    item: bytes, syntax: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.dicom.announcement_data_set.read_dataset", lambda *_, **__: pytest.fail("read"))
    refused = procedure_step.created("1.2", (item + bytes(4)) * 100_000, syntax)
    assert isinstance(refused, NoticeAnswer)
    assert refused.status is NoticeStatus.RESOURCE_LIMITATION


@pytest.mark.parametrize("standing", [Standing.COMPLETED, Standing.DISCONTINUED])
def test_a_step_that_is_over_stays_as_it_is(standing: Standing) -> None:
    over = Announcement("1.2", standing, {})
    assert procedure_step.changed(over, encoded(ended(NAMED)), EXPLICIT) == procedure_step.STEP_IS_OVER


def test_objects_that_are_no_images_count_as_well() -> None:
    said = ended(NAMED)
    (item,) = said.PerformedSeriesSequence
    item.ReferencedNonImageCompositeSOPInstanceSequence = [item.ReferencedImageSequence.pop()]
    made = procedure_step.changed(IN_PROGRESS, encoded(said), EXPLICIT)
    assert isinstance(made, Announcement)
    assert len(made.series["1.2.3"]) == 5  # type: ignore[index]
