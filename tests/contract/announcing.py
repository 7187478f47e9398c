"""A scanner and an archive that say what they made, by pynetdicom's own MPPS and IAN user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import AE

MPPS = "1.2.840.10008.3.1.2.3.3"
IAN = "1.2.840.10008.5.1.4.33"
EXPLICIT = "1.2.840.10008.1.2.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY = "1.2.826.0.1.3680043.8.498.1"

Series = Mapping[str, Iterable[str]]


def reference(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = CT
    item.ReferencedSOPInstanceUID = uid
    return item


def begun(study: str = STUDY) -> Dataset:
    """The attribute list of an N-CREATE, with everything table F.7.2-1 of PS3.4 has of type 1 and a name."""
    scheduled = Dataset()
    scheduled.StudyInstanceUID = study
    scheduled.AccessionNumber = "ACC1"
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.Modality = "CT"
    ds.PatientName = "SECRET^NAME"
    ds.PatientID = "SECRET1"
    ds.ScheduledStepAttributesSequence = [scheduled]
    ds.PerformedProcedureStepID = "STEP1"
    ds.PerformedStationAETitle = "CT_1"
    ds.PerformedProcedureStepStartDate = "20240506"
    ds.PerformedProcedureStepStartTime = "070809"
    ds.PerformedProcedureStepStatus = "IN PROGRESS"
    ds.PerformedSeriesSequence = []
    return ds


def ended(series: Series, status: str = "COMPLETED") -> Dataset:
    """The modification list of an N-SET."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PerformedProcedureStepStatus = status
    ds.PerformedProcedureStepEndDate = "20240506"
    ds.PerformedProcedureStepEndTime = "071009"
    ds.PerformedSeriesSequence = [_performed(uid, instances) for uid, instances in series.items()]
    return ds


def available(series: Series, availability: str = "ONLINE") -> Dataset:
    """The attribute list of an N-CREATE of IAN."""
    ds = Dataset()
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.StudyInstanceUID = STUDY
    ds.ReferencedSeriesSequence = []
    for uid, instances in series.items():
        item = Dataset()
        item.SeriesInstanceUID = uid
        item.ReferencedSOPSequence = [reference(one) for one in instances]
        for one in item.ReferencedSOPSequence:
            one.InstanceAvailability = availability
            one.RetrieveAETitle = "ARCHIVE"
        ds.ReferencedSeriesSequence.append(item)
    return ds


def _performed(uid: str, instances: Iterable[str]) -> Dataset:
    item = Dataset()
    item.PerformingPhysicianName = "SECRET^PHYSICIAN"
    item.ProtocolName = "HEAD"
    item.OperatorsName = "SECRET^OPERATOR"
    item.SeriesInstanceUID = uid
    item.SeriesDescription = "HEAD"
    item.RetrieveAETitle = ""
    item.ReferencedImageSequence = [reference(one) for one in instances]
    item.ReferencedNonImageCompositeSOPInstanceSequence = []
    return item


class Teller:
    """One association, and N-CREATE and N-SET on it; each returns the command set of the response."""

    def __init__(
        self,
        port: int,
        *,
        calling: str = "CT_1_MPPS",
        called: str = "EDGE",
        syntax: str = EXPLICIT,
    ) -> None:
        entity = AE(calling)
        for sop_class in (MPPS, IAN):
            entity.add_requested_context(sop_class, UID(syntax))
        self.association = entity.associate("127.0.0.1", port, ae_title=called)
        assert self.association.is_established

    def __enter__(self) -> Teller:
        return self

    def __exit__(self, *_: object) -> None:
        self.association.release()

    def create(self, attributes: Dataset, uid: str, sop_class: str = MPPS) -> Dataset:
        answer, _ = self.association.send_n_create(attributes, sop_class, uid)
        return answer

    def set(self, attributes: Dataset, uid: str, sop_class: str = MPPS) -> Dataset:
        answer, _ = self.association.send_n_set(attributes, sop_class, uid)
        return answer
