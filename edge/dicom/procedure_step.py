"""Modality Performed Procedure Step (PS3.4 F.7): what a scanner says it has made, in what state.

Asked for is what the appliance needs, and not the whole of table F.7.2-1: the rest is the information
system's, and refusing a step over it would lose the facts.
"""

from __future__ import annotations

from edge.dicom import announcement_data_set as notice
from edge.dicom.announcement_data_set import Refused
from edge.dicom.status import NoticeAnswer, NoticeStatus
from edge.domain.announcement import Announcement, Standing
from edge.domain.identity import SeriesInstanceUID, SopInstanceUID

_STATUS = "PerformedProcedureStepStatus"
_SERIES = "PerformedSeriesSequence"
_SCHEDULED = "ScheduledStepAttributesSequence"
_STANDINGS = {
    "IN PROGRESS": Standing.IN_PROGRESS,
    "COMPLETED": Standing.COMPLETED,
    "DISCONTINUED": Standing.DISCONTINUED,
}
_MADE = ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence")

# Error ID (0000,0903) of PS3.4 table F.7.2-2: Performed Procedure Step Object may no longer be updated.
MAY_NO_LONGER_BE_UPDATED = 0xA710
STEP_IS_OVER = NoticeAnswer(
    NoticeStatus.PROCESSING_FAILURE,
    "step_is_over",
    "Performed Procedure Step Object may no longer be updated",
    error_id=MAY_NO_LONGER_BE_UPDATED,
)
NOT_A_STEP = NoticeAnswer(
    NoticeStatus.CLASS_INSTANCE_CONFLICT, "not_a_step", "The SOP Instance UID is that of another object"
)


def created(uid: str, encoded: bytes, transfer_syntax_uid: str) -> Announcement | NoticeAnswer:
    """N-CREATE: the step, IN PROGRESS as it must begin (F.7.2.1), or why it is refused."""
    try:
        said = notice.read(encoded, transfer_syntax_uid, (_STATUS, _SERIES, _SCHEDULED))
        for item in notice.required_items(said, _SCHEDULED):
            notice.required_uid(item, "StudyInstanceUID")
        _standing(said, frozenset({Standing.IN_PROGRESS}))
        return Announcement(uid, Standing.IN_PROGRESS, _series(said))
    except Refused as refusal:
        return refusal.answer


def changed(before: Announcement, encoded: bytes, transfer_syntax_uid: str) -> Announcement | NoticeAnswer:
    """N-SET (F.7.2.2): what is given takes the place of what was said before, the rest stays."""
    if before.standing is Standing.AVAILABLE:
        return NOT_A_STEP
    if before.over:
        return STEP_IS_OVER
    try:
        said = notice.read(encoded, transfer_syntax_uid, (_STATUS, _SERIES))
        standing = _standing(said, frozenset(Standing)) if _STATUS in said else before.standing
        series = _series(said) if _SERIES in said else before.series
        if standing is Standing.COMPLETED and not series:
            # A step that is over has at least one series (F.7.2-1); one broken off may be before the first.
            notice.required_items(said, _SERIES)
        return Announcement(before.uid, standing, series)
    except Refused as refusal:
        return refusal.answer


def _standing(said: notice.Dataset, allowed: frozenset[Standing]) -> Standing:
    found = _STANDINGS.get(notice.required(said, _STATUS))
    if found is None or found not in allowed:
        raise Refused(notice.invalid(_STATUS))
    return found


def _series(said: notice.Dataset) -> dict[SeriesInstanceUID, frozenset[SopInstanceUID]]:
    """Images and other objects alike: they all arrive as instances of the series."""
    made: dict[SeriesInstanceUID, frozenset[SopInstanceUID]] = {}
    for item in notice.items(said, _SERIES):
        uid = notice.series_uid(item)
        references = [reference for keyword in _MADE for reference in notice.items(item, keyword)]
        made[uid] = made.get(uid, frozenset()) | notice.instances(references)
    return made
