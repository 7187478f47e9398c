"""Who is admitted, which status answers what, and what our own UIDs look like."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dicom.admission import Admission, Peer, Refusal, RejectReason
from edge.dicom.file_meta import preamble_and_meta
from edge.dicom.status import StoreStatus, answer_to_error, answer_to_reception, usable_uid
from edge.domain.identity import derived_uid
from edge.errors import InboxFull
from edge.ports import Reception
from edge.settings import DicomSettings

OPEN = Admission("EDGE", frozenset(), 2, 2, 2)
LISTED = Admission("EDGE", frozenset({"CT_ER_1"}), 2, 2, 2)


@pytest.mark.parametrize(
    ("admission", "calling", "called", "already_open", "reason"),
    [
        (OPEN, "ANYBODY", "EDGE", 0, None),
        (OPEN, "ANYBODY ", " EDGE  ", 1, None),
        (OPEN, "ANYBODY", "edge", 0, RejectReason.CALLED_AE_TITLE_NOT_RECOGNIZED),
        (OPEN, "ANYBODY", "PACS", 0, RejectReason.CALLED_AE_TITLE_NOT_RECOGNIZED),
        (OPEN, "   ", "EDGE", 0, RejectReason.CALLING_AE_TITLE_NOT_RECOGNIZED),
        (OPEN, "A\\B", "EDGE", 0, RejectReason.CALLING_AE_TITLE_NOT_RECOGNIZED),
        (OPEN, "A\nB", "EDGE", 0, RejectReason.CALLING_AE_TITLE_NOT_RECOGNIZED),
        (LISTED, "CT_ER_1", "EDGE", 0, None),
        (LISTED, "CT_ER_2", "EDGE", 0, RejectReason.CALLING_AE_TITLE_NOT_RECOGNIZED),
        (LISTED, "CT_ER_2", "PACS", 0, RejectReason.CALLED_AE_TITLE_NOT_RECOGNIZED),
        (OPEN, "ANYBODY", "EDGE", 2, RejectReason.LOCAL_LIMIT_EXCEEDED),
        (LISTED, "CT_ER_2", "EDGE", 2, RejectReason.CALLING_AE_TITLE_NOT_RECOGNIZED),
    ],
)
def test_admission_answers_with_the_standards_reason(
    admission: Admission, calling: str, called: str, already_open: int, reason: RejectReason | None
) -> None:
    others = [("10.0.0.1", "OTHER")] * already_open
    refusal = admission.admit(calling=calling, called=called, peer=Peer("10.0.0.2"), others=others)
    assert refusal == (Refusal(reason) if reason is not None else None)


@pytest.mark.parametrize(
    ("title", "address", "welcome"),
    [
        ("EDGE-CANARY", "127.0.0.1", True),
        ("EDGE-CANARY", "::ffff:127.0.0.1", True),
        ("EDGE-CANARY", "::1", True),
        ("EDGE-CANARY", "192.0.2.5", True),
        ("EDGE-CANARY", "192.0.2.6", False),
        ("CT_ER_2", "127.0.0.1", False),
    ],
)
def test_the_canary_of_this_machine_needs_no_row_and_nobody_else_gains_by_its_title(
    title: str, address: str, welcome: bool
) -> None:
    peer = {"ae_title": "CT_ER_1", "addresses": ["198.51.100.0/24"]}
    for policy in ({"calling_ae_titles": ["CT_ER_1"]}, {"peers": [peer]}):
        admission = Admission.from_settings(DicomSettings.model_validate({"host": "192.0.2.5", **policy}))
        answer = admission.admit(calling=title, called="EDGE", peer=Peer(address), others=[])
        assert (answer is None) == welcome


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ([("10.0.0.2", "B"), ("10.0.0.3", "A")], None),
        ([("10.0.0.2", "B"), ("10.0.0.2", "C")], RejectReason.LOCAL_LIMIT_EXCEEDED),
        ([("10.0.0.3", "A"), ("10.0.0.4", "A")], RejectReason.LOCAL_LIMIT_EXCEEDED),
    ],
)
def test_one_address_or_title_cannot_have_every_place(
    others: list[tuple[str, str]], reason: RejectReason | None
) -> None:
    admission = Admission("EDGE", frozenset(), 32, 2, 2)
    refusal = admission.admit(calling="A ", called="EDGE", peer=Peer("10.0.0.2"), others=others)
    assert refusal == (Refusal(reason) if reason is not None else None)


@pytest.mark.parametrize(
    ("reason", "wire"),
    [
        (RejectReason.CALLED_AE_TITLE_NOT_RECOGNIZED, (1, 1, 7)),
        (RejectReason.CALLING_AE_TITLE_NOT_RECOGNIZED, (1, 1, 3)),
        (RejectReason.LOCAL_LIMIT_EXCEEDED, (2, 3, 2)),
        (RejectReason.TEMPORARY_CONGESTION, (2, 3, 1)),
    ],
)
def test_reject_reasons_are_those_of_ps3_8_table_9_21(reason: RejectReason, wire: tuple[int, ...]) -> None:
    assert reason.value == wire


def test_settings_become_the_policy() -> None:
    settings = DicomSettings(
        ae_title="ER",
        calling_ae_titles=("A", "B"),
        max_associations=3,
        max_associations_per_address=2,
        max_associations_per_ae_title=1,
    )
    assert Admission.from_settings(settings) == Admission(
        "ER", frozenset({"A", "B"}), 3, 2, 1, (), "127.0.0.1"
    )


@pytest.mark.parametrize(
    ("reception", "status"),
    [(Reception.STORED, 0x0000), (Reception.DUPLICATE, 0x0000), (Reception.CONFLICT, 0xB006)],
)
def test_what_was_kept_decides_the_status(reception: Reception, status: int) -> None:
    assert answer_to_reception(reception).status == status


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (InboxFull(), 0xA700, "inbox_full"),
        (OSError(errno.ENOSPC, "full"), 0xA700, "enospc"),
        (OSError(errno.EIO, "broken"), 0xC001, "eio"),
        (OSError("no number"), 0xC001, "os_error"),
        (ZeroDivisionError(), 0x0110, "processing_failure"),
    ],
)
def test_an_error_is_never_a_success(error: Exception, status: int, reason: str) -> None:
    answer = answer_to_error(error)
    assert (answer.status, answer.reason) == (status, reason)
    assert 0 < len(answer.comment) <= 64
    assert answer.status is not StoreStatus.SUCCESS


@pytest.mark.parametrize(
    ("uid", "usable"),
    [("1.2.3", True), ("1.02.3", True), ("ID_0a", True), ("../x", True), ("", False), ("1" * 65, False)],
)
def test_uids_of_the_field_are_usable_while_they_are_text(uid: str, usable: bool) -> None:
    assert usable_uid(uid) is usable
    assert not usable_uid(uid + "\n")
    assert not usable_uid(uid + "\\1.2")


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_derived_uids_are_valid_and_repeatable(parts: list[str]) -> None:
    uid = derived_uid(*parts)
    assert uid == derived_uid(*parts)
    assert len(uid) <= 64
    assert all(p == "0" or not p.startswith("0") for p in uid.split("."))
    assert uid != derived_uid(*parts, "")


@given(
    st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\\"),
        min_size=1,
        max_size=64,
    )
)
def test_file_meta_has_even_length_and_says_its_own(sop_instance_uid: str) -> None:
    head = preamble_and_meta(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        sop_instance_uid=sop_instance_uid,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        calling_ae_title="SCANNER",
        called_ae_title="EDGE",
    )
    assert head[:132] == b"\0" * 128 + b"DICM"
    group_length = int.from_bytes(head[140:144], "little")
    assert len(head) == 144 + group_length
    assert len(head) % 2 == 0
