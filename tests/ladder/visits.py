"""What a scanner may come with: each visit sends one or two series in one of the ways the field knows."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.uid import JPEG2000Lossless, RLELossless, XRayRadiationDoseSRStorage

from edge.domain.outcome import OutcomeKind
from tests.contract.announcing import Teller, begun, ended
from tests.contract.enhanced import enhanced, group
from tests.contract.receiving import changed, small_series
from tests.ladder.heads import FINDING, NO_BLOOD, NOT_A_HEAD, Ward, bled, bloodless
from tests.ladder.record import Instance, Record, Series
from tests.ladder.senders import SENDERS, Port, dcmsend, pynetdicom, storescu, until_stored

ANYTHING = frozenset(OutcomeKind) - {OutcomeKind.NO_FINDING}


@dataclass(frozen=True, slots=True)
class Visit:
    """One scanner, for as long as it takes; all that it draws comes from `dice`."""

    port: Port
    record: Record
    ward: Ward
    dice: random.Random

    def offered(self, *series: Series) -> list[Instance]:
        for one in series:
            self.record.offer(one)
        return [instance for one in series for instance in one.instances]

    def stored(self, instances: Sequence[Instance]) -> None:
        """By storescu, which says in its association what it needs and nothing else."""

        def required(port: Port, some: Sequence[Instance], record: Record) -> None:
            storescu(port, some, record, "-R", "--no-halt")

        assert until_stored(required, self.port, instances, self.record), "a scanner was locked out"


def plain_head(visit: Visit) -> None:
    head = visit.ward.head(blood=visit.dice.random() < 0.5)
    visit.offered(head)
    assert until_stored(visit.dice.choice(SENDERS), visit.port, head.instances, visit.record)


def few_slices(visit: Visit) -> None:
    few = visit.ward.few()
    visit.offered(few)
    assert until_stored(visit.dice.choice(SENDERS), visit.port, few.instances, visit.record)


def compressed(visit: Visit) -> None:
    syntax = visit.dice.choice((RLELossless, JPEG2000Lossless))
    slices = [visit.ward.renamed(one) for one in visit.ward.same_series(small_series())]
    for one in slices:
        one.compress(syntax, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    series = visit.ward.written(slices, NOT_A_HEAD)
    visit.offered(series)
    sender = visit.dice.choice((dcmsend, pynetdicom))
    assert until_stored(sender, visit.port, series.instances, visit.record)


def sent_twice(visit: Visit) -> None:
    """The whole study again, or some of it, as a PACS rule or an impatient person would."""
    few = visit.ward.few()
    instances = visit.offered(few)
    visit.stored(instances)
    visit.stored(visit.dice.sample(instances, visit.dice.randint(1, len(instances))))


def other_bytes(visit: Visit) -> None:
    """One instance under its old UID with other pixels: 0xB006, and nothing negative any more."""
    head = visit.ward.head(blood=False)
    instances = visit.offered(head)
    visit.record.spoil(head.uid)
    visit.stored(instances)
    old = visit.dice.choice(bloodless())
    forged = changed(old, SOPInstanceUID=instances[0].uid, SeriesInstanceUID=head.uid)
    forged.file_meta.MediaStorageSOPInstanceUID = forged.SOPInstanceUID
    forged.PixelData = visit.dice.randbytes(len(forged.PixelData))
    folder = Ward(visit.ward.folder / "forged", visit.dice)
    storescu(visit.port, folder.written([forged], ANYTHING).instances, visit.record)


def broken_off(visit: Visit) -> None:
    """A-ABORT in the middle, then all of it again."""
    head = visit.ward.head(blood=visit.dice.random() < 0.5)
    instances = visit.offered(head)
    after = visit.dice.randrange(1, len(instances))
    pynetdicom(visit.port, instances, visit.record, abort_after=after)
    assert until_stored(pynetdicom, visit.port, instances, visit.record)


def given_up(visit: Visit) -> None:
    """Half a head, and never the rest: whatever is said of it, it is not that there is no blood."""
    head = visit.ward.head(blood=False)
    instances = visit.offered(head)
    half = visit.dice.randrange(4, len(instances) - 4)
    if visit.dice.random() < 0.5:
        pynetdicom(visit.port, instances, visit.record, abort_after=half)
    else:
        storescu(visit.port, instances[:half], visit.record)


def interleaved(visit: Visit) -> None:
    """Two series of one study on one association, in no order at all."""
    study = visit.ward.uid()
    both = [visit.ward.head(blood=True, StudyInstanceUID=study), visit.ward.few(StudyInstanceUID=study)]
    instances = visit.offered(*both)
    visit.dice.shuffle(instances)
    visit.stored(instances)


def with_localizer_and_dose_report(visit: Visit) -> None:
    study = visit.ward.uid()
    few = visit.ward.few(StudyInstanceUID=study)
    localizer = visit.ward.series(
        small_series()[:1], NOT_A_HEAD, StudyInstanceUID=study, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]
    )
    dose = visit.ward.written([_dose_report(visit.ward, study)], NOT_A_HEAD)
    visit.stored(visit.offered(localizer, few, dose))


def many_frames(visit: Visit) -> None:
    blood = visit.dice.random() < 0.5
    slices = visit.ward.same_series(bled() if blood else bloodless())
    image = enhanced(slices)
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = visit.ward.uid()
    series = visit.ward.written([image], FINDING if blood else NO_BLOOD)
    visit.stored(visit.offered(series))


def odd_pdu_lengths(visit: Visit) -> None:
    few = visit.ward.few()
    instances = visit.offered(few)
    own, longest = (2 * visit.dice.randint(2048, 65535) for _ in range(2))

    def odd(port: Port, some: Sequence[Instance], record: Record) -> None:
        storescu(port, some, record, "-pdu", str(own), "--max-send-pdu", str(longest))

    assert until_stored(odd, visit.port, instances, visit.record)


def one_association_each(visit: Visit) -> None:
    few = visit.ward.few()
    for one in visit.offered(few):
        visit.stored([one])


def with_procedure_step(visit: Visit) -> None:
    """MPPS before and after; a discontinued step has no negative."""
    head = visit.ward.head(blood=visit.dice.random() < 0.3)
    instances = visit.offered(head)
    discontinued = visit.dice.random() < 0.3
    if discontinued:
        visit.record.spoil(head.uid)
    step, named = visit.ward.uid(), {head.uid: [one.uid for one in instances]}
    with Teller(visit.port.number, calling=visit.port.calling) as teller:
        teller.create(begun(), step)
        visit.stored(instances)
        teller.set(ended(named, "DISCONTINUED" if discontinued else "COMPLETED"), step)


VISITS: tuple[tuple[Callable[[Visit], None], int], ...] = (
    (plain_head, 3),
    (few_slices, 2),
    (compressed, 2),
    (sent_twice, 2),
    (other_bytes, 1),
    (broken_off, 2),
    (given_up, 1),
    (interleaved, 2),
    (with_localizer_and_dose_report, 2),
    (many_frames, 1),
    (odd_pdu_lengths, 2),
    (one_association_each, 1),
    (with_procedure_step, 2),
)


def _dose_report(ward: Ward, study: str) -> Dataset:
    """A small X-Ray Radiation Dose SR (PS3.3 A.35.8) without a dose."""
    report = changed(
        small_series()[0],
        SOPClassUID=XRayRadiationDoseSRStorage,
        SOPInstanceUID=ward.uid(),
        StudyInstanceUID=study,
        SeriesInstanceUID=ward.uid(),
        Modality="SR",
        ValueType="CONTAINER",
        ContinuityOfContent="SEPARATE",
        CompletionFlag="COMPLETE",
        VerificationFlag="UNVERIFIED",
        ContentSequence=group(ValueType="TEXT", RelationshipType="CONTAINS", TextValue="no dose"),
    )
    for keyword in ("PixelData", "Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient"):
        delattr(report, keyword)
    report.file_meta.MediaStorageSOPClassUID = report.SOPClassUID
    report.file_meta.MediaStorageSOPInstanceUID = report.SOPInstanceUID
    return report
