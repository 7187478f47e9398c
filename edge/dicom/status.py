"""DIMSE statuses of C-STORE (PS3.4 table B.2-1), N-CREATE and N-SET (PS3.7 annex C), and what errors mean."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import IntEnum

from edge.errors import ShedLoad
from edge.ports import Reception

_UNUSABLE = frozenset([*map(chr, range(0x21)), "\x7f", "\\"])
_NO_RESOURCES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE})


class StoreStatus(IntEnum):
    """What we answer; the comment goes into (0000,0902), at most 64 characters, no patient data."""

    SUCCESS = 0x0000
    PROCESSING_FAILURE = 0x0110
    INVALID_SOP_INSTANCE = 0x0117
    OUT_OF_RESOURCES = 0xA700
    ELEMENTS_DISCARDED = 0xB006
    CANNOT_UNDERSTAND = 0xC000
    CANNOT_STORE = 0xC001


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """One C-STORE response; `reason` is a metric label, empty for success."""

    status: StoreStatus
    reason: str = ""
    comment: str = ""


_ANSWERS = {
    Reception.STORED: StoreAnswer(StoreStatus.SUCCESS),
    Reception.DUPLICATE: StoreAnswer(StoreStatus.SUCCESS),
    Reception.CONFLICT: StoreAnswer(
        StoreStatus.ELEMENTS_DISCARDED, "conflict", "Known SOP Instance UID with other content, first kept"
    ),
}
EMPTY_DATA_SET = StoreAnswer(StoreStatus.CANNOT_UNDERSTAND, "empty_data_set", "Data set is empty")
TOO_LARGE = StoreAnswer(
    StoreStatus.OUT_OF_RESOURCES, "instance_too_large", "Object is larger than dicom.max_instance_mib"
)
BAD_INSTANCE_UID = StoreAnswer(
    StoreStatus.INVALID_SOP_INSTANCE, "invalid_sop_instance_uid", "SOP Instance UID is not usable"
)


def answer_to_reception(reception: Reception) -> StoreAnswer:
    """A repeat is a success; other content under a known UID is a warning, for it was not kept."""
    return _ANSWERS[reception]


def answer_to_error(error: Exception) -> StoreAnswer:
    """Nothing was kept; what the peer should make of it."""
    if isinstance(error, ShedLoad):
        return StoreAnswer(StoreStatus.OUT_OF_RESOURCES, "inbox_full", "Disk floor reached, send again later")
    if isinstance(error, MemoryError):
        return StoreAnswer(StoreStatus.OUT_OF_RESOURCES, "enomem", "Out of resources, send again later")
    if isinstance(error, OSError) and error.errno in _NO_RESOURCES:
        name = errno.errorcode[error.errno].lower()
        return StoreAnswer(StoreStatus.OUT_OF_RESOURCES, name, "Out of resources, send again later")
    if isinstance(error, OSError):
        name = errno.errorcode.get(error.errno or 0, "os_error").lower()
        return StoreAnswer(StoreStatus.CANNOT_STORE, name, "Storage failed, send again later")
    return StoreAnswer(StoreStatus.PROCESSING_FAILURE, "processing_failure", "Internal error")


class NoticeStatus(IntEnum):
    """What N-CREATE and N-SET of MPPS and IAN are answered (PS3.7 10.1.3 and 10.1.5)."""

    SUCCESS = 0x0000
    INVALID_ATTRIBUTE_VALUE = 0x0106
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_SOP_INSTANCE = 0x0111
    NO_SUCH_SOP_INSTANCE = 0x0112
    INVALID_SOP_INSTANCE = 0x0117
    CLASS_INSTANCE_CONFLICT = 0x0119
    MISSING_ATTRIBUTE = 0x0120
    MISSING_ATTRIBUTE_VALUE = 0x0121
    RESOURCE_LIMITATION = 0x0213


@dataclass(frozen=True, slots=True)
class NoticeAnswer:
    """One such response; `error_id` goes into (0000,0903), the rest as in StoreAnswer."""

    status: NoticeStatus
    reason: str = ""
    comment: str = ""
    error_id: int | None = None


def notice_answer_to_error(error: Exception) -> NoticeAnswer:
    """Nothing was kept; what the peer should make of it."""
    answer = answer_to_error(error)
    if answer.status is StoreStatus.OUT_OF_RESOURCES:
        return NoticeAnswer(NoticeStatus.RESOURCE_LIMITATION, answer.reason, answer.comment)
    return NoticeAnswer(NoticeStatus.PROCESSING_FAILURE, answer.reason, answer.comment)


def usable_uid(uid: str) -> bool:
    """1 to 64 printable ASCII characters; leading zeros and letters occur in the field and harm nobody."""
    return 1 <= len(uid) <= 64 and _UNUSABLE.isdisjoint(uid) and uid.isascii()
