"""What reading may cost, what is only a passing trouble of this box, and whose a damaged instance is."""

from __future__ import annotations

import errno
import resource
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from io import BufferedReader, FileIO
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from edge.dicom.frame_decoder import decode_frame
from edge.dicom.reader import DicomReader
from edge.domain.series import UnusableInstance
from edge.errors import InboxUnreadable
from edge.imaging.volume import Slice
from tests.contract.htj2k import CODESTREAM
from tests.contract.reading import read, stored, write
from tests.contract.receiving import CT, changed, small_series

ENHANCED_CT = f"{CT}.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
SERIES = small_series()[1].SeriesInstanceUID


def encoded(syntax: str, *fragments: bytes, **attributes: object) -> Dataset:
    data_set = changed(small_series()[1], PixelData=encapsulate(list(fragments)), **attributes)
    data_set.file_meta.TransferSyntaxUID = syntax
    data_set["PixelData"].is_undefined_length = True
    return data_set


def jpeg(start_of_frame: int, rows: int, columns: int, samples: int = 1, bits: int = 12) -> bytes:
    header = struct.pack(">BHHB", bits, rows, columns, samples) + b"\1\x11\0" * samples
    return b"\xff\xd8\xff" + bytes([start_of_frame]) + struct.pack(">H", 2 + len(header)) + header + SCAN


SCAN = b"\xff\xda\0\x08\1\1\0\1\0\0\0\0\xff\xd9"


def sized(codestream: bytes, rows: int, columns: int, samples: int = 1) -> bytes:
    """The same JPEG 2000 codestream with another SIZ (ISO/IEC 15444-1 A.5.1)."""
    siz = struct.pack(">8LH", columns, rows, 0, 0, columns, rows, 0, 0, samples)
    return codestream[:8] + siz + codestream[42:]


BOMBS: dict[str, Callable[[], Dataset]] = {
    "jpeg_2000": lambda: encoded(JPEG2000Lossless, sized(CODESTREAM, 40000, 40000)),
    "htj2k": lambda: encoded(HTJ2KLossless, sized(CODESTREAM, 9000, 9000)),
    "many_components": lambda: encoded(HTJ2KLossless, sized(CODESTREAM, 64, 64, samples=16384)),
    "jpeg_lossless": lambda: encoded(JPEGLosslessSV1, jpeg(0xC3, 65535, 65535)),
    "jpeg_ls": lambda: encoded(JPEGLSLossless, jpeg(0xF7, 65535, 65535)),
    "colour": lambda: encoded(JPEGLosslessSV1, jpeg(0xC3, 64, 64, samples=3)),
    "deep": lambda: encoded(JPEGLosslessSV1, jpeg(0xC3, 64, 64, bits=17)),
    "rle": lambda: encoded(RLELossless, struct.pack("<16L", 15, *range(64, 79)) + bytes(64)),
}


def shattered(levels: int = 1, layers: int = 1, precincts: bytes = b"", rows: int = 4096) -> Dataset:
    """The same codestream, cut into more packets, precincts or code-blocks by its COD (A.6.1)."""
    codestream = sized(CODESTREAM, rows, rows)
    at = codestream.index(b"\xff\x52")
    cod = struct.pack(">BBHBB", bool(precincts), 2, layers, 0, levels) + codestream[at + 10 : at + 14]
    cod += precincts
    head = codestream[:at] + struct.pack(">HH", 0xFF52, 2 + len(cod)) + cod
    return encoded(HTJ2KLossless, head + codestream[at + 14 :], Rows=rows, Columns=rows)


def offsets(*table: int) -> Dataset:
    data_set = encoded(HTJ2KLossless, CODESTREAM, Rows=32, Columns=32)
    lie = struct.pack(f"<HHL{len(table)}L", 0xFFFE, 0xE000, 4 * len(table), *table)
    data_set.PixelData = lie + data_set.PixelData[12:]
    return data_set


LIES: dict[str, tuple[str, Callable[[], Dataset]]] = {
    "precincts_of_a_point": ("codestream_too_complex", lambda: shattered(precincts=b"\0\0")),
    "layers": ("codestream_too_complex", lambda: shattered(levels=32, layers=65535)),
    "levels": ("bad_codestream", lambda: shattered(levels=255)),
    "tiles": ("bad_codestream", lambda: encoded(HTJ2KLossless, tiled(CODESTREAM), Rows=4096, Columns=4096)),
    "offset_beyond": ("bad_offset_table", lambda: offsets(0, 0xFFFFFFF0)),
    "offset_inside": ("bad_offset_table", lambda: offsets(0, 17)),
    "offset_before": ("bad_offset_table", lambda: offsets(8)),
    "many_fragments": ("bad_fragments", lambda: encoded(HTJ2KLossless, *[b"\0\0"] * 5000)),
}


def tiled(codestream: bytes) -> bytes:
    siz = struct.pack(">8LH", 4096, 4096, 0, 0, 1, 1, 0, 0, 1)
    return codestream[:8] + siz + codestream[42:]


@pytest.mark.parametrize("case", LIES)
def test_a_frame_that_would_keep_a_decoder_busy_is_never_decoded(tmp_path: Path, case: str) -> None:
    reason, lie = LIES[case]
    found = read(write(lie(), tmp_path / "lie.dcm"), decode=lambda frame: pytest.fail("decoded"))
    assert isinstance(found, UnusableInstance)
    assert (found.reason, found.unreadable) == (reason, True)


@pytest.mark.parametrize("case", BOMBS)
def test_a_frame_that_is_not_what_the_header_says_is_never_decoded(tmp_path: Path, case: str) -> None:
    path = write(BOMBS[case](), tmp_path / "bomb.dcm")
    found = read(path, decode=lambda frame: pytest.fail("decoded"))
    assert isinstance(found, UnusableInstance)
    assert (found.reason, found.unreadable) == ("frame_size_mismatch", True)


def test_frames_that_nobody_announced_are_not_decoded(tmp_path: Path) -> None:
    (plain,) = (changed(small_series()[1], Rows=32, Columns=32),)
    plain.PixelData = encapsulate([CODESTREAM, sized(CODESTREAM, 40000, 40000)])
    plain.file_meta.TransferSyntaxUID = HTJ2KLossless
    plain["PixelData"].is_undefined_length = True
    found = read(write(plain, tmp_path / "two.dcm"))
    assert not isinstance(found, UnusableInstance)
    assert found.hu_yx.shape == (32, 32)


READ_WITHIN_LIMIT = """
import resource, sys
from pathlib import Path
from tests.contract.reading import read
read(Path(sys.argv[2]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = read(Path(sys.argv[1]), sys.argv[3])
print(found.reason, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def read_in_a_process(path: Path, warm_up: Path, sop_class_uid: str = CT) -> tuple[str, int]:
    """Reason, and how many KiB this reading added to the process' largest size."""
    made = subprocess.run(
        [sys.executable, "-c", READ_WITHIN_LIMIT, str(path), str(warm_up), sop_class_uid],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)),
    )
    reason, kib = made.stdout.split()
    return reason, int(kib)


def large_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Sparse files, so that they cost the disk nothing."""
    film = write(changed(small_series()[1], NumberOfFrames="4000"), folder / "film.dcm")
    tail = write(small_series()[1], folder / "tail.dcm")
    for path in (film, tail):
        with path.open("r+b") as file:
            file.truncate(1 << 30)
    bomb = write(BOMBS["jpeg_2000"](), folder / "bomb.dcm")
    claim = bytearray(
        write(encoded(HTJ2KLossless, CODESTREAM, Rows=32, Columns=32), folder / "claim.dcm").read_bytes()
    )
    at = claim.index(CODESTREAM[:32]) - 4
    claim[at : at + 4] = struct.pack("<L", 0xFFFFFFF0)
    (folder / "claim.dcm").write_bytes(claim)
    return {
        "multi_frame_unsupported": (film, ENHANCED_CT),
        "pixel_data_too_long": (tail, CT),
        "frame_size_mismatch": (bomb, CT),
        "bad_fragments": (folder / "claim.dcm", CT),
    }


@pytest.mark.parametrize(
    "reason", ["multi_frame_unsupported", "pixel_data_too_long", "frame_size_mismatch", "bad_fragments"]
)
def test_a_file_costs_no_more_memory_than_a_slice(tmp_path: Path, reason: str) -> None:
    path, sop_class_uid = large_files(tmp_path)[reason]
    warm_up = write(small_series()[0], tmp_path / "warm_up.dcm")
    found, kib = read_in_a_process(path, warm_up, sop_class_uid)
    assert (found, kib < 20_000) == (reason, True), kib


def deflated(data_set: Dataset, path: Path) -> Path:
    again = changed(data_set)
    again.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return write(again, path)


def test_a_deflated_slice_is_read(tmp_path: Path) -> None:
    plain = read(write(small_series()[1], tmp_path / "plain.dcm"))
    found = read(deflated(small_series()[1], tmp_path / "deflated.dcm"))
    assert isinstance(plain, Slice)
    assert isinstance(found, Slice)
    assert found.header == plain.header
    assert (found.hu_yx == plain.hu_yx).all()


def deflate_bomb(path: Path) -> Path:
    """A gigabyte in a megabyte."""
    head = deflated(small_series()[1], path).read_bytes()
    at = 144 + struct.unpack_from("<L", head, 140)[0]
    squeezed = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    with path.open("wb") as file:
        file.write(head[:at])
        for _ in range(1024):
            file.write(squeezed.compress(bytes(1 << 20)))
        file.write(squeezed.flush())
    return path


@pytest.mark.parametrize("case", ["inflates_too_large", "bad_deflate"])
def test_what_is_deflated_is_inflated_no_further_than_a_frame(tmp_path: Path, case: str) -> None:
    path = deflate_bomb(tmp_path / "bomb.dcm")
    if case == "bad_deflate":
        path.write_bytes(deflated(small_series()[1], path).read_bytes()[:-200])
    tracemalloc.start()
    found = read(path)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(found, UnusableInstance)
    assert (found.reason, found.unreadable) == (case, True)
    assert most_bytes < 200 << 20


def test_a_header_that_goes_on_and_on_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.dicom.part10_file.MAX_HEADER_READS", 2000)
    path = write(small_series()[1], tmp_path / "x.dcm")
    content = path.read_bytes()
    at = content.index(b"\x28\x00\x02\x00US")
    endless = b"".join(struct.pack("<HH2sH", 0x0021, k, b"LO", 0) for k in range(0x1000, 0x2000))
    path.write_bytes(content[:at] + endless + content[at:])
    found = read(path)
    assert isinstance(found, UnusableInstance)
    assert (found.reason, found.unreadable) == ("header_too_large", True)
    assert found.series_instance_uid == SERIES


class SickDisk(FileIO):
    """A file on a disk that can be opened and not be read."""

    def readinto(self, buffer: object) -> int:
        raise OSError(errno.EIO, "Input/output error")


def test_a_disk_that_fails_is_the_callers_to_wait_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(small_series()[1], tmp_path / "x.dcm")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", lambda p, mode: BufferedReader(SickDisk(str(p), "rb")))
        with pytest.raises(InboxUnreadable, match=r"^eio$"):
            read(path)
    assert not isinstance(read(path), UnusableInstance)


def test_a_shortage_of_memory_is_the_callers_to_wait_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*args: object, **kwargs: object) -> object:
        raise MemoryError

    monkeypatch.setattr("edge.dicom.hounsfield.pixel_array", exhausted)
    with pytest.raises(InboxUnreadable, match=r"^enomem$"):
        read(write(small_series()[1], tmp_path / "x.dcm"))


def test_without_a_free_file_descriptor_nothing_is_made_up(tmp_path: Path) -> None:
    path = write(small_series()[1], tmp_path / "x.dcm")
    reader, instance = DicomReader(tmp_path, decode_frame), stored(path, tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with path.open("rb") as last:
        resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno(), limits[1]))
        try:
            with pytest.raises(InboxUnreadable, match=r"^emfile$"):
                reader.read(instance)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert not isinstance(reader.read(instance), UnusableInstance)


@pytest.mark.parametrize("place", ["preamble", "file_meta", "before_the_uids", "behind_the_uids"])
def test_an_instance_with_a_damaged_header_stays_in_its_series(tmp_path: Path, place: str) -> None:
    path = write(small_series()[1], tmp_path / "x.dcm")
    content = bytearray(path.read_bytes())
    uids = content.index(b"\x20\x00\x0d\x00UI")
    at, damage = {
        "preamble": (120, b"\xff" * 24),
        "file_meta": (132, b"\xff" * 150),
        # A sequence that claims more than there is hides everything behind it.
        "before_the_uids": (uids - 12, struct.pack("<HH2s2xL", 8, 0x1140, b"SQ", 0xFFFFFFF0)),
        "behind_the_uids": (content.index(b"\x28\x00\x02\x00US"), b"\xff" * 200),
    }[place]
    content[at : at + len(damage)] = damage
    path.write_bytes(content)
    found = read(path)
    assert isinstance(found, UnusableInstance)
    assert found.unreadable
    assert found.series_instance_uid == SERIES


@pytest.mark.parametrize("kept", [0.02, 0.05, 0.2, 0.99])
def test_a_file_cut_short_stays_in_its_series_while_that_is_in_it(tmp_path: Path, kept: float) -> None:
    path = write(small_series()[1], tmp_path / "x.dcm")
    content, whole = path.read_bytes(), stored(path, tmp_path, SECONDARY_CAPTURE)
    path.write_bytes(content[: max(int(kept * len(content)), content.index(b"\x20\x00\x0e\x00UI") + 80)])
    found = DicomReader(tmp_path, decode_frame).read(whole)
    assert isinstance(found, UnusableInstance)
    assert (found.reason, found.unreadable) == ("truncated", True)
    assert found.series_instance_uid == SERIES
