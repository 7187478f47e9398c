"""Enhanced and legacy converted images, read frame by frame: the same slices as a single-frame series."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate_extended, generate_frames
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from edge.dicom.frame_decoder import decode_frame
from edge.dicom.reader import DicomReader
from edge.domain.frame import Frames, frame_name
from edge.domain.series import UnusableInstance
from edge.imaging.volume import Slice
from tests.contract.enhanced import compressed, concatenation, enhanced, group
from tests.contract.reading import read_slice, stored, write
from tests.contract.receiving import changed, small_series

ENHANCED_CT, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.4.1"


def frames_in(path: Path, sop_class_uid: str = ENHANCED_CT) -> list[Slice | UnusableInstance]:
    reader, instance = DicomReader(path.parent, decode_frame), stored(path, path.parent, sop_class_uid)
    found = reader.read(instance)
    assert isinstance(found, Frames), found
    parts = [reader.read(replace(instance, frame=k)) for k in range(1, found.number + 1)]
    assert not any(isinstance(p, Frames) for p in parts)
    return [p for p in parts if not isinstance(p, Frames)]


def slices_in(path: Path) -> list[Slice]:
    found = frames_in(path)
    assert all(isinstance(f, Slice) for f in found), found
    return [f for f in found if isinstance(f, Slice)]


def refused(path: Path, sop_class_uid: str = ENHANCED_CT) -> UnusableInstance:
    found = DicomReader(path.parent, decode_frame).read(stored(path, path.parent, sop_class_uid))
    assert isinstance(found, UnusableInstance), found
    return found


@pytest.mark.parametrize("legacy", [False, True], ids=["enhanced", "legacy_converted"])
def test_frames_are_the_slices_they_were_made_of(tmp_path: Path, legacy: bool) -> None:
    plain = [read_slice(write(d, tmp_path / f"{k}.dcm")) for k, d in enumerate(small_series())]
    found = slices_in(write(enhanced(small_series(), legacy=legacy), tmp_path / "all.dcm"))
    for number, (frame, one) in enumerate(zip(found, plain, strict=True), start=1):
        np.testing.assert_array_equal(frame.hu_yx, one.hu_yx)
        assert not frame.hu_yx.flags.writeable
        expected = replace(
            one.header,
            sop_instance_uid=frame_name(one.header.sop_instance_uid, number),
            sop_class_uid=frame.header.sop_class_uid,
            image_type=("ORIGINAL", "PRIMARY", "VOLUME", "NONE"),
            number_of_frames=4,
        )
        assert frame.header == expected


def test_the_order_of_frames_and_their_dimension_indices_mean_nothing(tmp_path: Path) -> None:
    a, b, c, d = small_series()
    image = enhanced([c, a, d, b])
    found = slices_in(write(image, tmp_path / "shuffled.dcm"))
    by_place = sorted(found, key=lambda s: s.header.offset_mm)
    plain = [read_slice(write(s, tmp_path / f"{k}.dcm")) for k, s in enumerate(small_series())]
    for frame, one in zip(by_place, plain, strict=True):
        np.testing.assert_array_equal(frame.hu_yx, one.hu_yx)
        assert frame.header.offset_mm == one.header.offset_mm


def test_each_frame_has_its_own_rescale(tmp_path: Path) -> None:
    image = enhanced(small_series())
    other = group(RescaleIntercept="-1014", RescaleSlope="1", RescaleType="HU")
    image.PerFrameFunctionalGroupsSequence[2].PixelValueTransformationSequence = other
    plain = slices_in(write(enhanced(small_series()), tmp_path / "plain.dcm"))
    found = slices_in(write(image, tmp_path / "other.dcm"))
    np.testing.assert_array_equal(found[1].hu_yx, plain[1].hu_yx)
    np.testing.assert_array_equal(found[2].hu_yx, plain[2].hu_yx + 10)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_native_encodings_give_the_same_frames(tmp_path: Path, syntax: str) -> None:
    plain = slices_in(write(enhanced(small_series()), tmp_path / "plain.dcm"))
    image = enhanced(small_series())
    if syntax == ExplicitVRBigEndian:
        image.PixelData = np.frombuffer(image.PixelData, "<u2").astype(">u2").tobytes()
    image.file_meta.TransferSyntaxUID = syntax
    path = tmp_path / "encoded.dcm"
    dcmwrite(path, image, enforce_file_format=True)
    for frame, one in zip(slices_in(path), plain, strict=True):
        np.testing.assert_array_equal(frame.hu_yx, one.hu_yx)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize(
    ("fragments", "table"), [(1, True), (1, False), (2, True)], ids=["table", "no_table", "fragments"]
)
def test_compressed_frames_are_found_and_decoded_one_by_one(
    tmp_path: Path, syntax: str, fragments: int, table: bool
) -> None:
    plain = slices_in(write(enhanced(small_series()), tmp_path / "plain.dcm"))
    image = compressed(enhanced(small_series()), syntax, fragments_per_frame=fragments, offset_table=table)
    for frame, one in zip(slices_in(write(image, tmp_path / "packed.dcm")), plain, strict=True):
        np.testing.assert_array_equal(frame.hu_yx, one.hu_yx)


def _lying_table(image: Dataset) -> Dataset:
    packed = compressed(image, RLELossless, fragments_per_frame=2)
    content = bytearray(packed.PixelData)
    content[12:16] = (int.from_bytes(content[12:16], "little") + 4).to_bytes(4, "little")
    return changed(packed, PixelData=bytes(content))


def _no_table(image: Dataset) -> Dataset:
    return compressed(image, RLELossless, fragments_per_frame=2, offset_table=False)


DAMAGED: dict[str, Callable[[Dataset], Dataset]] = {
    "pixel_data_too_short": lambda d: changed(d, PixelData=d.PixelData[: len(d.PixelData) // 2]),
    "pixel_data_too_long": lambda d: changed(d, PixelData=d.PixelData * 2),
    "frame_count_mismatch": lambda d: changed(d, NumberOfFrames=5),
    "missing_matrix": lambda d: changed(d, Rows=0),
    "frame_too_large": lambda d: changed(d, Rows=65535, Columns=65535),
    "bad_offset_table": _lying_table,
}


@pytest.mark.parametrize("reason", DAMAGED)
def test_damage_of_the_whole_is_named(tmp_path: Path, reason: str) -> None:
    found = refused(write(DAMAGED[reason](enhanced(small_series())), tmp_path / "broken.dcm"))
    assert (found.reason, found.unreadable) == (reason, True)
    assert found.series_instance_uid == small_series()[0].SeriesInstanceUID


def test_fragments_that_nothing_assigns_to_frames_are_refused(tmp_path: Path) -> None:
    found = refused(write(_no_table(enhanced(small_series())), tmp_path / "broken.dcm"))
    assert (found.reason, found.unreadable) == ("bad_offset_table", True)


def test_a_cut_off_file_is_truncated(tmp_path: Path) -> None:
    path = write(enhanced(small_series()), tmp_path / "cut.dcm")
    instance = stored(path, tmp_path, ENHANCED_CT)
    path.write_bytes(path.read_bytes()[:-1000])
    found = DicomReader(tmp_path, decode_frame).read(instance)
    assert isinstance(found, UnusableInstance)
    assert (found.reason, found.unreadable) == ("truncated", True)


def test_one_frame_without_its_place_costs_that_frame(tmp_path: Path) -> None:
    image = enhanced(small_series())
    del image.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence
    first, second, *_ = frames_in(write(image, tmp_path / "lost.dcm"))
    assert isinstance(first, Slice)
    assert isinstance(second, UnusableInstance)
    assert (second.reason, second.unreadable) == ("missing_image_position_patient", True)
    assert second.sop_instance_uid == frame_name(first.header.sop_instance_uid.partition("/")[0], 2)  # type: ignore[arg-type]
    assert second.series_instance_uid == first.header.series_instance_uid


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("localizer", {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]}),
        ("colour_image", {"SamplesPerPixel": 3}),
        ("palette_colour", {"PhotometricInterpretation": "PALETTE COLOR"}),
    ],
)
def test_another_kind_of_multi_frame_is_not_damage(
    tmp_path: Path, reason: str, change: dict[str, object]
) -> None:
    found = refused(write(changed(enhanced(small_series()), **change), tmp_path / "other.dcm"))
    assert (found.reason, found.unreadable) == (reason, False)


def test_enhanced_mr_is_read_and_says_so(tmp_path: Path) -> None:
    image = changed(enhanced(small_series()), Modality="MR", SOPClassUID=ENHANCED_MR)
    for frame in image.PerFrameFunctionalGroupsSequence:
        del frame.PixelValueTransformationSequence
    found = frames_in(write(image, tmp_path / "mr.dcm"), ENHANCED_MR)
    assert [f.header.modality for f in found if isinstance(f, Slice)] == ["MR"] * 4


@pytest.mark.parametrize(
    ("usage", "contrast"), [(None, True), ("YES", True), ("NO", False)], ids=["unsaid", "yes", "no"]
)
def test_contrast_is_what_the_frame_had(tmp_path: Path, usage: str | None, contrast: bool) -> None:
    agent = group(CodeValue="C-B0317", CodingSchemeDesignator="SRT", CodeMeaning="Iohexol")
    image = enhanced(small_series(), ContrastBolusAgentSequence=agent)
    if usage is not None:
        shared = image.SharedFunctionalGroupsSequence[0]
        shared.ContrastBolusUsageSequence = group(ContrastBolusAgentAdministered=usage)
    found = slices_in(write(image, tmp_path / "contrast.dcm"))
    assert {f.header.contrast for f in found} == {contrast}


def test_another_body_part_goes_by_its_meaning(tmp_path: Path) -> None:
    image = enhanced(small_series())
    chest = group(CodeValue="51185008", CodingSchemeDesignator="SCT", CodeMeaning="Chest")
    image.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = group(AnatomicRegionSequence=chest)
    found = slices_in(write(image, tmp_path / "chest.dcm"))
    assert {f.header.body_part_examined for f in found} == {"CHEST"}


def test_parts_of_a_concatenation_know_of_each_other(tmp_path: Path) -> None:
    parts = concatenation(small_series(), 2)
    found = [slices_in(write(p, tmp_path / f"{k}.dcm")) for k, p in enumerate(parts)]
    known = [s.header.concatenation for s in (found[0][0], found[1][0])]
    assert [(c.number, c.total) for c in known if c is not None] == [(1, 2), (2, 2)]
    assert len({c.uid for c in known if c is not None}) == 1
    offsets = [s.header.offset_mm for part in found for s in part]
    assert offsets == sorted(offsets)


def test_a_frame_is_read_without_the_others(tmp_path: Path) -> None:
    """Forty megabytes of pixels: a frame must not cost more than itself and the groups of all."""
    one = small_series()[1]
    large = changed(one, Rows=512, Columns=512, PixelData=bytes(512 * 512 * 2))
    slices = [changed(large, ImagePositionPatient=["0", "0", str(k)]) for k in range(80)]
    path = write(enhanced(slices), tmp_path / "large.dcm")
    reader, instance = DicomReader(tmp_path, decode_frame), stored(path, tmp_path, ENHANCED_CT)
    assert reader.read(instance) == Frames(80)
    tracemalloc.start()
    try:
        for number in range(1, 81):
            assert isinstance(reader.read(replace(instance, frame=number)), Slice)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 40e6
    assert peak < 12e6


def test_an_extended_offset_table_is_used(tmp_path: Path) -> None:
    plain = slices_in(write(enhanced(small_series()), tmp_path / "plain.dcm"))
    packed = compressed(enhanced(small_series()), RLELossless)
    frames = list(generate_frames(packed.PixelData, number_of_frames=4))
    content, table, lengths = encapsulate_extended(frames)
    image = changed(packed, PixelData=content, ExtendedOffsetTable=table, ExtendedOffsetTableLengths=lengths)
    for frame, one in zip(slices_in(write(image, tmp_path / "extended.dcm")), plain, strict=True):
        np.testing.assert_array_equal(frame.hu_yx, one.hu_yx)
