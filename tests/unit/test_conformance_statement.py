"""The conformance statement names what the code offers, no less and no more."""

import re
from pathlib import Path

import edge.dicom
from edge.dicom.admission import RejectReason
from edge.dicom.status import NoticeStatus, StoreStatus
from edge.dicom.syntaxes import DEFLATED, NOTICES, STORAGE_CLASSES, TRANSFER_SYNTAXES, VERIFICATION
from edge.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from edge.domain.unusable import UnusableReason

STATEMENT = Path(edge.dicom.__file__).with_name("CONFORMANCE.md").read_text()
UIDS = set(re.findall(r"\b\d+(?:\.\d+){5,}\b", STATEMENT))


STORAGE_COMMITMENT_PUSH_MODEL = "1.2.840.10008.1.20.1"


def test_every_offered_uid_is_stated_and_no_other_but_the_one_refused() -> None:
    offered = {VERIFICATION, *NOTICES, *STORAGE_CLASSES.values(), *TRANSFER_SYNTAXES, DEFLATED}
    assert offered | {STORAGE_COMMITMENT_PUSH_MODEL} == UIDS


def test_every_status_is_stated_and_no_other() -> None:
    stated = {int(word, 16) for word in re.findall(r"^\| 0x([0-9A-F]{4}) ", STATEMENT, re.MULTILINE)}
    assert stated == {int(status) for status in (*StoreStatus, *NoticeStatus)}


def test_every_reject_reason_is_stated() -> None:
    words = STATEMENT.lower().replace("-", "_").replace(" ", "_")
    assert [reason.label for reason in RejectReason if reason.label not in words] == []


def test_every_reason_why_an_instance_is_no_slice_is_stated() -> None:
    words = set(re.findall(r"\b[a-z]+(?:_[a-z]+)*\b", STATEMENT))
    assert {reason.value for reason in UnusableReason} - words == set()


def test_the_implementation_is_named() -> None:
    assert IMPLEMENTATION_CLASS_UID in STATEMENT
    assert IMPLEMENTATION_VERSION_NAME in STATEMENT
