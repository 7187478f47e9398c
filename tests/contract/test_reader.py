"""Stored instances read by the real decoders: Hounsfield units and geometry."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import HTJ2KLossless, HTJ2KLosslessRPCL, JPEG2000Lossless, RLELossless

from edge.imaging.phantom import Acquisition, head_phantom
from edge.imaging.volume import Slice
from tests.contract.htj2k import CODESTREAM, STORED_YX
from tests.contract.reading import read_slice, write
from tests.contract.receiving import NOW, changed, phantom_instances, small_series

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "ct-head-ge"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="no real head CT in ../shared/data/ct-head-ge")


@cache
def real_slices() -> tuple[Slice, ...]:
    return tuple(read_slice(path) for path in sorted(REAL.glob("*.dcm")))


@needs_real
def test_a_real_tilted_head_is_ordered_along_its_normal_with_plausible_hu() -> None:
    slices = sorted(real_slices(), key=lambda s: s.header.offset_mm)
    assert len(slices) == 28
    assert {round(s.header.tilt_deg, 1) for s in slices} == {18.5}
    assert {s.header.orientation for s in slices} == {"axial"}
    steps = np.diff([s.header.offset_mm for s in slices])
    assert steps.min() > 1.0
    assert np.median(steps[:13]) == pytest.approx(4.0, abs=0.05)
    assert np.median(steps[14:]) == pytest.approx(7.0, abs=0.05)
    assert slices[-1].header.head_area_mm2 < 0.4 * max(s.header.head_area_mm2 for s in slices)
    middle = slices[14].hu_yx
    assert middle.dtype == np.int16
    assert middle.min() == -1024
    assert 1000 < middle.max() < 3072
    brain = middle[200:320, 200:320]
    assert 20 < np.median(brain) < 45
    header = slices[0].header
    assert (header.body_part_examined, header.convolution_kernel, header.contrast) == ("HEAD", "STD+", False)
    assert {s.header.slice_thickness_mm for s in slices} == {4.0, 7.0}


@needs_real
@pytest.mark.peer("storescu")
@pytest.mark.parametrize(
    ("command", "loss_hu"),
    [
        (["dcmconv", "+ti"], 0),
        (["dcmconv", "+tb"], 0),
        (["dcmcrle"], 0),
        (["dcmcjpeg", "+el"], 0),
        (["dcmcjpeg", "+e1"], 0),
        (["dcmcjpeg", "+ee", "+bt"], 40),
        (["dcmcjpls", "+el"], 0),
    ],
    ids=["implicit", "big_endian", "rle", "jpeg_57", "jpeg_70", "jpeg_extended", "jpeg_ls"],
)
def test_dcmtk_encodings_give_the_same_hounsfield_units(
    tmp_path: Path, command: list[str], loss_hu: int
) -> None:
    source, encoded = REAL / "14.dcm", tmp_path / "encoded.dcm"
    subprocess.run([*command, str(source), str(encoded)], check=True, capture_output=True, timeout=60)
    difference = read_slice(encoded).hu_yx.astype(int) - read_slice(source).hu_yx
    assert np.abs(difference).max() <= loss_hu
    if loss_hu:
        assert np.abs(difference).mean() < 2


@pytest.mark.peer("storescu")
def test_jpeg_ls_near_lossless_stays_near(tmp_path: Path) -> None:
    plain, encoded = write(small_series()[1], tmp_path / "plain.dcm"), tmp_path / "encoded.dcm"
    subprocess.run(
        ["dcmcjpls", "+en", "+md", "2", str(plain), str(encoded)], check=True, capture_output=True, timeout=60
    )
    difference = read_slice(encoded).hu_yx.astype(int) - read_slice(plain).hu_yx
    assert 0 < np.abs(difference).max() <= 2


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("signed", [False, True])
def test_pylibjpeg_encodings_give_the_same_hounsfield_units(
    tmp_path: Path, syntax: str, signed: bool
) -> None:
    data_set = dcmread(write(small_series()[1], tmp_path / "plain.dcm"))
    expected = read_slice(tmp_path / "plain.dcm").hu_yx
    if signed:
        data_set.PixelData = expected.tobytes()
        data_set.PixelRepresentation, data_set.RescaleIntercept = 1, "0"
        data_set.BitsStored, data_set.HighBit = 12, 11
        expected = read_slice(write(data_set, tmp_path / "signed.dcm")).hu_yx
    data_set.compress(syntax, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    np.testing.assert_array_equal(read_slice(write(data_set, tmp_path / "encoded.dcm")).hu_yx, expected)


@pytest.mark.parametrize("syntax", [HTJ2KLossless, HTJ2KLosslessRPCL])
def test_htj2k_is_decoded(tmp_path: Path, syntax: str) -> None:
    data_set = changed(small_series()[0], Rows=32, Columns=32, PixelData=encapsulate([CODESTREAM]))
    data_set.file_meta.TransferSyntaxUID = syntax
    data_set["PixelData"].is_undefined_length = True
    found = read_slice(write(data_set, tmp_path / "htj2k.dcm"))
    np.testing.assert_array_equal(found.hu_yx, STORED_YX.astype(int) - 1024)


@pytest.mark.parametrize("padding_hu", [-1500, -2048, -3024])
def test_padding_is_air(tmp_path: Path, padding_hu: int) -> None:
    scan = Acquisition(
        rows=64, columns=64, pixel_spacing_mm=3.6, slices=1, noise_hu=0.0, padding_hu=padding_hu
    )
    (data_set,) = phantom_instances(head_phantom(3, acquisition=scan), now=NOW)
    assert int(data_set.pixel_array.min()) + int(data_set.RescaleIntercept) == padding_hu
    found = read_slice(write(data_set, tmp_path / "padded.dcm"))
    assert found.hu_yx.min() == -1024
    assert found.hu_yx[0, 0] == -1024


def test_bright_padding_is_air_but_a_left_over_tag_spares_the_brain(tmp_path: Path) -> None:
    plain = small_series()[1]
    bright = np.frombuffer(plain.PixelData, "<u2").copy()
    bright[:64] = 4095
    found = read_slice(
        write(changed(plain, PixelData=bright.tobytes(), PixelPaddingValue=4095), tmp_path / "a.dcm")
    )
    assert set(found.hu_yx[0]) == {-1024}
    left_over = read_slice(write(changed(plain, PixelPaddingValue=1024 + 30), tmp_path / "b.dcm"))
    np.testing.assert_array_equal(left_over.hu_yx, read_slice(write(plain, tmp_path / "c.dcm")).hu_yx)


def test_rescale_rounds_and_stays_int16(tmp_path: Path) -> None:
    plain = small_series()[1]
    stored_yx = plain.pixel_array.astype(float)
    found = read_slice(
        write(changed(plain, RescaleSlope="12.345", RescaleIntercept="-1000.5"), tmp_path / "x.dcm")
    )
    expected = np.clip(np.rint(stored_yx * 12.345 - 1000.5), -1024, 32767)
    np.testing.assert_array_equal(found.hu_yx, expected)


def test_bits_above_the_stored_ones_are_no_part_of_the_value(tmp_path: Path) -> None:
    plain = small_series()[1]
    overlaid = np.frombuffer(plain.PixelData, "<u2") | 0x8000
    found = read_slice(write(changed(plain, PixelData=overlaid.tobytes()), tmp_path / "overlay.dcm"))
    np.testing.assert_array_equal(found.hu_yx, read_slice(write(plain, tmp_path / "plain.dcm")).hu_yx)


def test_the_order_does_not_depend_on_how_the_normal_points(tmp_path: Path) -> None:
    turned = [changed(d, ImageOrientationPatient=["1", "0", "0", "0", "-1", "0"]) for d in small_series()]
    offsets = [
        [read_slice(write(d, tmp_path / f"{name}{k}.dcm")).header.offset_mm for k, d in enumerate(series)]
        for name, series in (("a", small_series()), ("b", turned))
    ]
    assert offsets[0] == sorted(offsets[0])
    assert offsets[1] == pytest.approx(offsets[0])


def test_what_the_scope_asks_for_is_in_the_header(tmp_path: Path) -> None:
    data_set = changed(
        small_series()[0],
        PatientAge="006M",
        PatientBirthDate="19500101",
        ContrastBolusAgent="IOPAMIDOL",
        ConvolutionKernel=["H30s", "2"],
        AccessionNumber="A-17",
        SeriesInstanceUID="1.2.840.1",
    )
    header = read_slice(write(data_set, tmp_path / "x.dcm")).header
    assert header.patient_age_years == 0.5
    assert header.contrast
    assert header.convolution_kernel == "H30s"
    assert (header.accession_number, header.series_instance_uid) == ("A-17", "1.2.840.1")
    assert header.image_type == ("ORIGINAL", "PRIMARY", "AXIAL")
    assert header.sop_instance_uid == "1.2.3"


def test_monochrome1_is_shown_inverted_and_measured_the_same(tmp_path: Path) -> None:
    plain = small_series()[1]
    inverted = changed(plain, PhotometricInterpretation="MONOCHROME1")
    found = read_slice(write(inverted, tmp_path / "inverted.dcm"))
    np.testing.assert_array_equal(found.hu_yx, read_slice(write(plain, tmp_path / "plain.dcm")).hu_yx)
