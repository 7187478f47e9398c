"""Every kind of object that comes with a head, from its bytes to its one outcome, on one association."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, generate_uid

from edge.dicom.frame_decoder import decode_frame
from edge.dicom.phantom_series import phantom_instances
from edge.dicom.reader import DicomReader
from edge.domain.arrival import InstanceStored, StoredInstance
from edge.domain.identity import SopInstanceUID
from edge.imaging.phantom import Acquisition, head_phantom
from tests.contract.enhanced import enhanced
from tests.contract.reading import write
from tests.fakes.scanner_room import ScannerRoom
from tests.unit.test_agent import play

SCAN = Acquisition(
    rows=128, columns=128, pixel_spacing_mm=1.8, slices=26, spacing_mm=6.0, slice_thickness_mm=6.0
)
STORAGE = "1.2.840.10008.5.1.4.1.1."
ENHANCED_MR, DOSE_REPORT = f"{STORAGE}4.1", f"{STORAGE}88.67"


@pytest.fixture(scope="module")
def head() -> list[Dataset]:
    return list(phantom_instances(head_phantom(7, acquisition=SCAN), now=datetime(2024, 5, 1, 3, tzinfo=UTC)))


def again(slices: list[Dataset], **change: object) -> list[Dataset]:
    """Another scan: the same pixels under UIDs of its own, with `change` in every slice."""
    series, frame_of_reference = generate_uid(), generate_uid()
    made: list[Dataset] = []
    for one in slices:
        copy = deepcopy(one)
        copy.SeriesInstanceUID, copy.FrameOfReferenceUID = series, frame_of_reference
        copy.SOPInstanceUID = copy.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        for keyword, value in change.items():
            setattr(copy, keyword, value)
        made.append(copy)
    return made


def big_endian(slices: list[Dataset]) -> list[Dataset]:
    made = again(slices)
    for one in made:
        one.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        swapped = bytearray(one.PixelData)
        swapped[0::2], swapped[1::2] = swapped[1::2], swapped[0::2]
        one.PixelData = bytes(swapped)
    return made


def one_instance(image: Dataset, sop_class_uid: str = "") -> list[Dataset]:
    if sop_class_uid:
        image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = sop_class_uid
    return [image]


def magnetic(slices: list[Dataset]) -> list[Dataset]:
    image = enhanced(again(slices))
    image.Modality = "MR"
    for frame in image.PerFrameFunctionalGroupsSequence:
        if "PixelValueTransformationSequence" in frame:
            del frame.PixelValueTransformationSequence
    return one_instance(image, ENHANCED_MR)


def report(slices: list[Dataset]) -> list[Dataset]:
    made = again(slices[:1], SOPClassUID=DOSE_REPORT, Modality="SR")
    for keyword in ("PixelData", "ImagePositionPatient", "ImageOrientationPatient"):
        del made[0][keyword]
    return made


def kinds(head: list[Dataset]) -> Iterator[tuple[str, list[Dataset], tuple[str, str]]]:
    negative = ("no_finding", "quiet")
    yield "plain", again(head), negative
    yield "big_endian", big_endian(head), negative
    yield "monochrome1", again(head, PhotometricInterpretation="MONOCHROME1"), negative
    yield "enhanced", one_instance(enhanced(again(head))), negative
    yield "legacy", one_instance(enhanced(again(head), legacy=True)), negative
    palette = again(head, PhotometricInterpretation="PALETTE COLOR")
    yield "palette", palette, ("not_eligible", "palette_colour")
    scout = again(head[:1], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    yield "localizer", scout, ("not_eligible", "localizer")
    yield "dose_report", report(head), ("not_eligible", "structured_report")
    yield "enhanced_mr", magnetic(head), ("not_eligible", "modality")


def test_each_kind_ends_in_its_own_outcome(head: list[Dataset], tmp_path: Path) -> None:
    expected: dict[str, tuple[str, str]] = {}
    told: dict[str, str] = {}
    stored: list[StoredInstance] = []
    for name, data_sets, end in kinds(head):
        expected[name] = end
        for one in data_sets:
            told[str(one.SeriesInstanceUID)] = name
            path = write(one, tmp_path / f"{len(stored)}.dcm")
            syntax = str(one.file_meta.get("TransferSyntaxUID", ExplicitVRLittleEndian))
            names = SopInstanceUID(str(one.SOPInstanceUID)), str(one.SOPClassUID), syntax
            stored.append(StoredInstance(*names, path.name, "", path.stat().st_size))

    async def script(room: ScannerRoom) -> None:
        room.model.read = DicomReader(tmp_path, decode_frame).read  # type: ignore[method-assign]
        room.opens("a")
        for one in stored:
            room.journal.append(InstanceStored(*room._stamp("a"), one))
        room.releases("a")
        outcomes = await room.until_outcomes(len(expected))
        ends = {told[str(o.series.series_instance_uid)]: (str(o.kind), o.reason) for o in outcomes}
        settled = {n: (k, "quiet" if r == "released" else r) for n, (k, r) in ends.items()}
        assert settled == expected

    assert play(script, quiet_s=0.3).pages == []
