"""The virtual scanner's procedure step: MPPS as a user of the service (PS3.4 F.7)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from pydicom import dcmread  # pyright: ignore[reportUnknownVariableType] # its path type has a parameter
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context

from edge.dicom.send_plan import MppsEnd
from edge.dicom.send_source import Outgoing
from edge.dicom.syntaxes import MODALITY_PERFORMED_PROCEDURE_STEP
from edge.domain.identity import derived_uid
from edge.errors import RetryPeer
from edge.ports import Clock

_DATE, _TIME = "%Y%m%d", "%H%M%S"


@contextmanager
def step_told(
    end: MppsEnd | None,
    series: Sequence[Sequence[Outgoing]],
    associate: Callable[[list[PresentationContext]], Association],
    clock: Clock,
) -> Generator[None]:
    """IN PROGRESS before the block and its end after it, naming every instance there is, sent or not.

    Raises RetryPeer when the receiver does not take it. An error within the block leaves the step open.
    """
    if end is None or not any(series):
        yield
        return
    first = next(one[0] for one in series if one)
    uid = derived_uid("procedure step", clock.utc().isoformat(), first.sop_instance_uid)
    _told(associate, "send_n_create", _begun(series, clock), uid)
    yield
    if end is not MppsEnd.NEVER:
        _told(associate, "send_n_set", _ended(series, end, clock), uid)


def _told(
    associate: Callable[[list[PresentationContext]], Association],
    operation: str,
    said: Dataset,
    uid: str,
) -> None:
    association = associate([build_context(MODALITY_PERFORMED_PROCEDURE_STEP, ExplicitVRLittleEndian)])
    try:
        send = cast("Callable[..., tuple[Dataset, Any]]", getattr(association, operation))
        answer, _ = send(said, MODALITY_PERFORMED_PROCEDURE_STEP, uid)
    finally:
        association.release()
    status = answer.get("Status")
    if status != 0:
        words = "no answer" if status is None else f"0x{status:04X} {answer.get('ErrorComment', '')}"
        raise RetryPeer(f"the receiver does not take the procedure step: {words}".rstrip())


def _begun(series: Sequence[Sequence[Outgoing]], clock: Clock) -> Dataset:
    now, said = clock.utc(), Dataset()
    said.ScheduledStepAttributesSequence = [
        _scheduled(uid) for uid in sorted({_study(one) for one in series if one})
    ]
    said.PerformedProcedureStepID = "1"
    said.PerformedStationAETitle = "SCANNER"
    said.Modality = "CT"
    said.PerformedProcedureStepStartDate = now.strftime(_DATE)
    said.PerformedProcedureStepStartTime = now.strftime(_TIME)
    said.PerformedProcedureStepStatus = "IN PROGRESS"
    said.PerformedSeriesSequence = []
    return said


def _ended(series: Sequence[Sequence[Outgoing]], end: MppsEnd, clock: Clock) -> Dataset:
    now, said = clock.utc(), Dataset()
    said.PerformedProcedureStepStatus = end.upper()
    said.PerformedProcedureStepEndDate = now.strftime(_DATE)
    said.PerformedProcedureStepEndTime = now.strftime(_TIME)
    said.PerformedSeriesSequence = [_performed(one) for one in series if one]
    return said


def _performed(series: Sequence[Outgoing]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = series[0].series_instance_uid
    item.ProtocolName = "SYNTHETIC"
    item.ReferencedImageSequence = [_reference(one) for one in series]
    item.ReferencedNonImageCompositeSOPInstanceSequence = []
    return item


def _reference(one: Outgoing) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = one.sop_class_uid
    item.ReferencedSOPInstanceUID = one.sop_instance_uid
    return item


def _scheduled(study: str) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID = study
    return item


def _study(series: Sequence[Outgoing]) -> str:
    content = series[0].content
    if not isinstance(content, Dataset):
        content = dcmread(content, specific_tags=["StudyInstanceUID"], stop_before_pixels=True)
    return str(content.StudyInstanceUID)
