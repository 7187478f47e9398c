"""Why an instance is no slice: damage by name, other kinds of object, and no exception ever."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, RLELossless

from edge.dicom.frame_decoder import decode_frame
from edge.dicom.reader import DicomReader
from edge.domain.arrival import StoredInstance
from edge.domain.identity import SopInstanceUID, made_up_series
from edge.domain.series import UnusableInstance
from edge.domain.unusable import OTHER_KINDS
from edge.imaging.volume import Slice
from tests.contract.reading import read, stored, write
from tests.contract.receiving import CT, changed, small_series

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def without(data_set: Dataset, *keywords: str) -> Dataset:
    less = changed(data_set)
    for keyword in keywords:
        delattr(less, keyword)
    return less


BROKEN: dict[str, Callable[[Dataset], Dataset]] = {
    "missing_image_orientation_patient": lambda d: without(d, "ImageOrientationPatient"),
    "missing_image_position_patient": lambda d: without(d, "ImagePositionPatient"),
    "missing_pixel_spacing": lambda d: without(d, "PixelSpacing"),
    "missing_pixel_data": lambda d: without(d, "PixelData"),
    "missing_rescale": lambda d: without(d, "RescaleIntercept"),
    "missing_matrix": lambda d: without(d, "Rows"),
    "bad_rescale": lambda d: changed(d, RescaleSlope="0"),
    "absurd_rescale": lambda d: changed(d, RescaleSlope="1e6"),
    "bad_bits": lambda d: changed(d, HighBit=15),
    "bad_pixel_representation": lambda d: without(d, "PixelRepresentation"),
    "pixel_data_too_short": lambda d: changed(d, PixelData=d.PixelData[:-2]),
    "pixel_data_too_long": lambda d: changed(d, PixelData=d.PixelData * 2),
    "frame_too_large": lambda d: changed(d, Rows=65535, Columns=65535),
    "modality_lut_unsupported": lambda d: changed(d, ModalityLUTSequence=[Dataset()]),
}
BAD_GEOMETRY: dict[str, dict[str, object]] = {
    "not_unit": {"ImageOrientationPatient": ["2", "0", "0", "0", "1", "0"]},
    "not_orthogonal": {"ImageOrientationPatient": ["1", "0", "0", "1", "0", "0"]},
    "five_cosines": {"ImageOrientationPatient": ["1", "0", "0", "0", "1"]},
    "no_spacing": {"PixelSpacing": ["0", "0"]},
    "huge_spacing": {"PixelSpacing": ["1e30", "1e30"]},
    "far_away": {"ImagePositionPatient": ["0", "0", "1e30"]},
}
ABSURD_RESCALE: dict[str, dict[str, object]] = {
    "flat": {"RescaleSlope": "1e-9"},
    "steep": {"RescaleSlope": "-4000"},
    "far_off": {"RescaleIntercept": "1e6"},
}


@pytest.mark.parametrize("reason", BROKEN)
def test_damage_is_named(tmp_path: Path, reason: str) -> None:
    found = read(write(BROKEN[reason](small_series()[0]), tmp_path / "broken.dcm"))
    assert isinstance(found, UnusableInstance)
    assert (found.reason, found.unreadable) == (reason, True)
    assert found.series_instance_uid == small_series()[0].SeriesInstanceUID


@pytest.mark.parametrize("case", BAD_GEOMETRY)
def test_absurd_geometry_is_no_slice(tmp_path: Path, case: str) -> None:
    found = read(write(changed(small_series()[0], **BAD_GEOMETRY[case]), tmp_path / "broken.dcm"))
    assert isinstance(found, UnusableInstance)
    assert (found.reason, found.unreadable) == ("bad_geometry", True)


@pytest.mark.parametrize("case", ABSURD_RESCALE)
def test_a_rescale_that_gives_no_hounsfield_units_is_named(tmp_path: Path, case: str) -> None:
    found = read(write(changed(small_series()[0], **ABSURD_RESCALE[case]), tmp_path / "broken.dcm"))
    assert isinstance(found, UnusableInstance)
    assert (found.reason, found.unreadable) == ("absurd_rescale", True)


# A number of each kind that can be replaced by a word, and what it is called then.
NUMBERS = {
    "ImagePositionPatient": (["7", "7", "777"], "bad_geometry", "non_finite_geometry"),
    "ImageOrientationPatient": (["1", "0", "0", "0", "1", "777"], "bad_geometry", "non_finite_geometry"),
    "PixelSpacing": (["0.5", "777"], "bad_geometry", "non_finite_geometry"),
    "RescaleSlope": (["777"], "bad_attribute", "bad_rescale"),
    "RescaleIntercept": (["777"], "bad_attribute", "bad_rescale"),
}


@pytest.mark.parametrize("keyword", NUMBERS)
@pytest.mark.parametrize("word", [b"nan", b"inf", b"-inf", b"1e9999", b"abc"])
def test_a_number_that_is_none_is_named(tmp_path: Path, keyword: str, word: bytes) -> None:
    values, no_number, not_finite = NUMBERS[keyword]
    path = write(changed(small_series()[0], **{keyword: values}), tmp_path / "x.dcm")
    encoded = path.read_bytes()
    tag = struct.pack("<HH", *divmod(tag_for_keyword(keyword) or 0, 1 << 16)) + b"DS"
    at = encoded.index(tag)
    end = at + 8 + struct.unpack_from("<H", encoded, at + 6)[0]
    number = encoded[at + 8 : end].replace(b"777", word).strip()
    number += b" " * (len(number) % 2)
    path.write_bytes(encoded[:at] + tag + struct.pack("<H", len(number)) + number + encoded[end:])
    found = read(path)
    assert isinstance(found, UnusableInstance)
    assert found.unreadable
    assert found.reason == (no_number if word == b"abc" else not_finite)


def test_a_decoder_that_panics_does_not_take_us_along(tmp_path: Path) -> None:
    segment = b"\x81a" * 40
    header = struct.pack("<16L", 2, 64, 64 + len(segment), *([0] * 13))
    data_set = changed(small_series()[1], PixelData=encapsulate([header + segment + segment]))
    data_set.file_meta.TransferSyntaxUID = RLELossless
    data_set["PixelData"].is_undefined_length = True
    found = read(write(data_set, tmp_path / "overlong.dcm"))
    assert isinstance(found, UnusableInstance)
    assert (found.reason, found.unreadable) == ("undecodable", True)


@pytest.mark.parametrize(
    ("reason", "sop_class_uid", "change"),
    [
        (
            "secondary_capture",
            SECONDARY_CAPTURE,
            lambda d: without(d, "ImagePositionPatient", "ImageOrientationPatient"),
        ),
        ("structured_report", "1.2.840.10008.5.1.4.1.1.88.67", lambda d: without(d, "PixelData", "Rows")),
        ("presentation_state", "1.2.840.10008.5.1.4.1.1.11.1", lambda d: without(d, "PixelData", "Rows")),
        ("not_a_slice", "1.2.840.10008.5.1.4.1.1.66.4", lambda d: d),
        ("palette_colour", CT, lambda d: changed(d, PhotometricInterpretation="PALETTE COLOR")),
        ("multi_frame_unsupported", CT, lambda d: changed(d, NumberOfFrames="2")),
        (
            "secondary_capture",
            "1.2.840.10008.5.1.4.1.1.7.3",
            lambda d: without(
                changed(d, NumberOfFrames="2"), "ImagePositionPatient", "ImageOrientationPatient"
            ),
        ),
        (
            "multi_frame_unsupported",
            "1.2.840.10008.5.1.4.1.1.7.3",
            lambda d: changed(d, SharedFunctionalGroupsSequence=[Dataset()]),
        ),
        (
            "localizer",
            "1.2.840.10008.5.1.4.1.1.2.1",
            lambda d: changed(d, SharedFunctionalGroupsSequence=[Dataset()], ImageType=["LOCALIZER"]),
        ),
        ("colour_image", CT, lambda d: changed(d, SamplesPerPixel=3)),
        ("not_hounsfield", CT, lambda d: changed(d, RescaleType="Z_EFF")),
    ],
    ids=[
        *("secondary_capture", "dose_report", "presentation_state", "segmentation", "palette", "multi_frame"),
        *("captured_film", "captured_volume"),
        *("enhanced_localizer", "colour", "effective_atomic_number"),
    ],
)
def test_another_kind_of_object_is_not_damage(
    tmp_path: Path, reason: str, sop_class_uid: str, change: Callable[[Dataset], Dataset]
) -> None:
    found = read(write(change(small_series()[0]), tmp_path / "other.dcm"), sop_class_uid)
    assert isinstance(found, UnusableInstance)
    assert (found.reason, found.unreadable) == (reason, False)
    assert (reason in OTHER_KINDS) == (
        reason in {"not_a_slice", "secondary_capture", "structured_report", "presentation_state", "localizer"}
    )


def test_a_file_that_tells_nothing_still_belongs_to_a_series(tmp_path: Path) -> None:
    (tmp_path / "noise.dcm").write_bytes(b"not DICOM at all")
    first, second = (
        DicomReader(tmp_path, decode_frame).read(stored(tmp_path / "noise.dcm", tmp_path, uid=uid))
        for uid in ("1.2", "1.3")
    )
    assert isinstance(first, UnusableInstance)
    assert isinstance(second, UnusableInstance)
    assert (first.reason, first.unreadable) == ("not_dicom", True)
    assert not first.series_known
    assert first.series_instance_uid == made_up_series(SopInstanceUID("1.2"))
    assert first.series_instance_uid != second.series_instance_uid


def test_damage_that_names_its_series_and_no_study_is_of_that_series(tmp_path: Path) -> None:
    one = changed(small_series()[0], StudyInstanceUID="", RescaleSlope=None)
    found = read(write(one, tmp_path / "one.dcm"))
    assert isinstance(found, UnusableInstance)
    assert found.unreadable
    assert (found.series_instance_uid, found.series_known) == (one.SeriesInstanceUID, True)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    gone = StoredInstance(SopInstanceUID("1.2"), CT, "", "inbox/gone.dcm", "", 1)
    found = DicomReader(tmp_path, decode_frame).read(gone)
    assert isinstance(found, UnusableInstance)
    assert found.reason == "file_unavailable"


@cache
def encoded_slice(syntax: str | None, folder: Path) -> bytes:
    data_set = dcmread(write(small_series()[1], folder / "plain.dcm"))
    if syntax is not None:
        data_set.compress(syntax, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    return write(data_set, folder / "encoded.dcm").read_bytes()


@given(
    st.sampled_from([None, JPEG2000Lossless, RLELossless]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=6),
    st.none() | st.floats(0, 1),
)
@settings(max_examples=150, deadline=None)
def test_corrupted_bytes_never_raise(
    tmp_path_factory: pytest.TempPathFactory,
    syntax: str | None,
    patches: list[tuple[float, bytes]],
    cut: float | None,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    content = bytearray(encoded_slice(syntax, folder))
    for place, patch in patches:
        at = int(place * len(content))
        content[at : at + len(patch)] = patch
    path = folder / "corrupted.dcm"
    path.write_bytes(content[: None if cut is None else int(cut * len(content))])
    found = read(path)
    if isinstance(found, Slice):
        assert found.hu_yx.shape == (found.header.rows, found.header.columns)
        assert np.isfinite(found.header.offset_mm)
    else:
        assert found.reason
        assert found.series_instance_uid
