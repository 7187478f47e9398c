"""What a compressed frame claims to be, read from its header alone."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dicom.codestream import FrameSize, check_effort, check_rle_segments, frame_size
from edge.errors import RejectInput
from tests.contract.htj2k import CODESTREAM

SIZES = st.builds(
    FrameSize,
    rows=st.integers(1, 65535),
    columns=st.integers(1, 65535),
    samples=st.integers(1, 255),
    bits=st.integers(2, 16),
)


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def jpeg(size: FrameSize, marker: int = 0xC3, before: bytes = b"") -> bytes:
    header = (
        struct.pack(">BHHB", size.bits, size.rows, size.columns, size.samples) + b"\1\x11\0" * size.samples
    )
    return b"\xff\xd8" + before + segment(marker, header) + segment(0xDA, b"\1\1\0\1\0\0")


def jpeg_2000(size: FrameSize, *, left: int = 0, tile: int = 1 << 31, step: int = 1) -> bytes:
    siz = struct.pack(">H8LH", 0, left + size.columns, size.rows, left, 0, tile, tile, 0, 0, size.samples)
    return b"\xff\x4f" + segment(0x51, siz + bytes([size.bits - 1, step, step]) * size.samples)


def box(kind: bytes, content: bytes, *, large: bool = False) -> bytes:
    if large:
        return struct.pack(">L4sQ", 1, kind, 16 + len(content)) + content
    return struct.pack(">L4s", 8 + len(content), kind) + content


@given(SIZES, st.sampled_from([0xC0, 0xC1, 0xC3, 0xF7]), st.lists(st.binary(max_size=40), max_size=3))
def test_a_jpeg_says_its_size_whatever_comes_before_it(
    size: FrameSize, marker: int, comments: list[bytes]
) -> None:
    before = b"".join(b"\xff" * k + segment(0xFE, c) for k, c in enumerate(comments))
    assert frame_size(jpeg(size, marker, before)) == size


@given(SIZES, st.integers(0, 1 << 30), st.booleans())
def test_a_jpeg_2000_says_its_size_bare_or_wrapped(size: FrameSize, left: int, large: bool) -> None:
    bare = jpeg_2000(size, left=left)
    assert frame_size(bare) == size
    decoy = box(b"free", jpeg_2000(FrameSize(1, 1, 1, 8)), large=large)
    wrapped = box(b"jP  ", b"\r\n\x87\n") + decoy + box(b"jp2c", bare, large=large)
    assert frame_size(wrapped) == size


def test_a_real_htj2k_codestream_says_its_size() -> None:
    assert frame_size(CODESTREAM) == FrameSize(32, 32, 1, 12)


ONE = FrameSize(512, 512, 1, 12)
REFUSED = {
    "nothing": b"",
    "no_codestream": b"GIF89a" + b"\0" * 64,
    "no_frame_header": b"\xff\xd8" + segment(0xDA, b"\1\1\0\1\0\0"),
    "two_frame_headers": jpeg(ONE, before=jpeg(ONE)[2:-10]),
    "hierarchical": jpeg(ONE, before=segment(0xDE, b"\x0c\x40\0\x40\0\1\1\x11\0")),
    "jpeg_xt": jpeg(ONE, before=segment(0xEB, b"JP\0\1\0\0\0\1")),
    "segment_without_length": b"\xff\xd8\xff\xfe\0\0" + jpeg(ONE)[2:],
    "image_in_image": jpeg(ONE, before=jpeg(ONE)),
    "many_tiles": jpeg_2000(ONE, tile=1),
    "no_tiles": jpeg_2000(ONE, tile=0),
    "subsampled": jpeg_2000(ONE, step=2),
    "no_area": jpeg_2000(FrameSize(0, 512, 1, 12)),
    "box_in_place": box(b"jP  ", b"\r\n\x87\n") + struct.pack(">L4s", 0, b"free"),
    "boxes_without_codestream": box(b"jP  ", b"\r\n\x87\n") + box(b"free", b""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_decoder_must_not_see_is_refused(case: str) -> None:
    with pytest.raises(RejectInput, match="bad_codestream"):
        frame_size(REFUSED[case])


@given(
    st.sampled_from([jpeg(ONE), jpeg_2000(ONE), box(b"jP  ", b"\r\n\x87\n") + box(b"jp2c", jpeg_2000(ONE))]),
    st.lists(st.tuples(st.integers(0, 80), st.binary(min_size=1, max_size=6)), max_size=4),
    st.integers(0, 120),
)
def test_damage_gives_a_size_or_a_refusal(
    codestream: bytes, patches: list[tuple[int, bytes]], cut: int
) -> None:
    damaged = bytearray(codestream)
    for at, patch in patches:
        damaged[at : at + len(patch)] = patch
    with suppress(RejectInput):
        assert frame_size(bytes(damaged[:cut])).rows >= 0


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=15), st.integers(1, 15))
def test_rle_segments_are_as_many_as_the_samples_have_bytes(segments: list[bytes], expected: int) -> None:
    offsets = [64 + sum(map(len, segments[:k])) for k in range(len(segments))]
    frame = struct.pack("<16L", len(segments), *offsets, *[0] * (15 - len(segments))) + b"".join(segments)
    if expected == len(segments):
        check_rle_segments(frame, expected)
    else:
        with pytest.raises(RejectInput, match="frame_size_mismatch"):
            check_rle_segments(frame, expected)


@pytest.mark.parametrize("offsets", [(0, 80), (64, 64), (80, 64), (64, 4000)])
def test_rle_segments_lie_one_behind_the_other(offsets: tuple[int, int]) -> None:
    frame = struct.pack("<16L", 2, *offsets, *[0] * 13) + b"\0" * 40
    with pytest.raises(RejectInput, match="bad_codestream"):
        check_rle_segments(frame, 2)
    with pytest.raises(RejectInput, match="bad_codestream"):
        check_rle_segments(frame[:40], 2)


def cut(
    size: FrameSize,
    *,
    layers: int = 1,
    levels: int = 5,
    blocks: tuple[int, int] = (4, 4),
    precinct: int | None = None,
    tile: int = 1 << 31,
) -> bytes:
    """A main header with COD, a comment before it, and the first tile-part (ISO/IEC 15444-1 A.6.1)."""
    own = b"" if precinct is None else bytes([precinct]) * (levels + 1)
    cod = struct.pack(">BBHBBBBBB", bool(own), 2, layers, 0, levels, *blocks, 0, 1) + own
    return jpeg_2000(size, tile=tile) + segment(0x64, b"\0\1edge") + segment(0x52, cod) + b"\xff\x90\0\x0a"


WHOLE = FrameSize(4096, 4096, 1, 16)
ORDINARY = {
    "plain": cut(ONE),
    "large": cut(WHOLE),
    "small_blocks": cut(ONE, blocks=(0, 0)),
    "precincts": cut(WHOLE, precinct=0x66),
    "layers": cut(ONE, layers=64, precinct=0x77),
    "tiles": cut(WHOLE, tile=256),
    "no_levels": cut(ONE, levels=0),
    "real": CODESTREAM,
    "wrapped": box(b"jP  ", b"\r\n\x87\n") + box(b"jp2c", cut(ONE)),
    "not_jpeg_2000": jpeg(ONE),
}
TOO_COMPLEX = {
    "precincts": cut(ONE, precinct=0x11),
    "precincts_of_a_point": cut(WHOLE, precinct=0x00),
    "blocks": cut(WHOLE, blocks=(0, 0)),
    "blocks_by_precinct": cut(WHOLE, precinct=0x22),
    "layers": cut(WHOLE, layers=65535),
    "tiles": cut(WHOLE, tile=64, layers=100),
    "wrapped": box(b"jP  ", b"\r\n\x87\n") + box(b"jp2c", cut(WHOLE, precinct=0x00)),
    "by_component": cut(WHOLE)[:-4] + segment(0x53, b"\0\1\0\0\0\0\1\0") + b"\xff\x90\0\x0a",
}
BROKEN = {
    "no_cod": jpeg_2000(ONE) + b"\xff\x90\0\x0a",
    "breaks_off": cut(ONE)[:-6],
    "too_many_levels": cut(ONE, levels=33),
    "huge_blocks": cut(ONE, blocks=(8, 8)),
    "too_few_precincts": jpeg_2000(ONE) + segment(0x52, b"\1\2\0\1\0\5\4\4\0\1\x77") + b"\xff\x90\0\x0a",
    "short_segment": jpeg_2000(ONE) + b"\xff\x52\0\1" + b"\xff\x90\0\x0a",
}


@pytest.mark.parametrize("case", ORDINARY)
def test_what_encoders_make_is_not_too_complex(case: str) -> None:
    check_effort(ORDINARY[case])


@pytest.mark.parametrize("case", TOO_COMPLEX)
def test_a_frame_in_more_pieces_than_it_needs_is_refused(case: str) -> None:
    with pytest.raises(RejectInput, match="codestream_too_complex"):
        check_effort(TOO_COMPLEX[case])


@pytest.mark.parametrize("case", BROKEN)
def test_a_main_header_without_its_parts_is_refused(case: str) -> None:
    with pytest.raises(RejectInput, match="bad_codestream"):
        check_effort(BROKEN[case])


@given(
    st.lists(st.tuples(st.integers(0, 90), st.binary(min_size=1, max_size=6)), max_size=4),
    st.integers(0, 120),
)
def test_damage_is_complex_broken_or_neither(patches: list[tuple[int, bytes]], length: int) -> None:
    damaged = bytearray(cut(ONE, precinct=0x77))
    for at, patch in patches:
        damaged[at : at + len(patch)] = patch
    with suppress(RejectInput):
        check_effort(bytes(damaged[:length]))
