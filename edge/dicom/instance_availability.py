"""Instance Availability Notification (PS3.4 R): which instances another system can be asked for.

It says that they exist, and never that a series is complete (R.1.1): so it can only bar a negative.
"""

from __future__ import annotations

from edge.dicom import announcement_data_set as notice
from edge.dicom.announcement_data_set import Refused
from edge.dicom.status import NoticeAnswer
from edge.domain.announcement import Announcement, Standing
from edge.domain.identity import SeriesInstanceUID, SopInstanceUID

_STUDY = "StudyInstanceUID"
_SERIES = "ReferencedSeriesSequence"
_INSTANCES = "ReferencedSOPSequence"
_AVAILABILITY = "InstanceAvailability"
# PS3.3 C.4.23.1.1; what is UNAVAILABLE may be gone for good, so nothing is to be expected of it.
_EXISTS = {"ONLINE": True, "NEARLINE": True, "OFFLINE": True, "UNAVAILABLE": False}


def notified(uid: str, encoded: bytes, transfer_syntax_uid: str) -> Announcement | NoticeAnswer:
    """N-CREATE: what exists of each series, or why the notification is refused."""
    try:
        said = notice.read(encoded, transfer_syntax_uid, (_STUDY, _SERIES))
        notice.required_uid(said, _STUDY)
        exists: dict[SeriesInstanceUID, frozenset[SopInstanceUID]] = {}
        for item in notice.required_items(said, _SERIES):
            series = notice.series_uid(item)
            exists[series] = exists.get(series, frozenset()) | _existing(item)
        return Announcement(uid, Standing.AVAILABLE, exists)
    except Refused as refusal:
        return refusal.answer


def _existing(item: notice.Dataset) -> frozenset[SopInstanceUID]:
    found: list[notice.Dataset] = []
    for reference in notice.required_items(item, _INSTANCES):
        exists = _EXISTS.get(notice.required(reference, _AVAILABILITY))
        if exists is None:
            raise Refused(notice.invalid(_AVAILABILITY))
        notice.required_uid(reference, "ReferencedSOPInstanceUID")
        if exists:
            found.append(reference)
    return notice.instances(found)
