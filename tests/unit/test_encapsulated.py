"""The first frame of encapsulated pixel data, and the lies its lengths and offsets can tell."""

from __future__ import annotations

import struct
from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom.encaps import encapsulate

from edge.dicom.encapsulated import first_frame
from edge.errors import RejectInput

DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"
FRAGMENTS = st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=6)


def item(content: bytes, claimed: int | None = None) -> bytes:
    return b"\xfe\xff\x00\xe0" + struct.pack("<L", len(content) if claimed is None else claimed) + content


def table(*offsets: int) -> bytes:
    return item(struct.pack(f"<{len(offsets)}L", *offsets))


@example([DELIMITER], False, b"")
@given(FRAGMENTS, st.booleans(), st.sampled_from([b"", DELIMITER]))
def test_the_fragments_of_one_frame_are_joined(fragments: list[bytes], offset: bool, end: bytes) -> None:
    begin = table(0) if offset else table()
    assert first_frame(begin + b"".join(map(item, fragments)) + end) == b"".join(fragments)


@given(FRAGMENTS, FRAGMENTS)
def test_of_two_frames_with_offsets_the_first_is_taken(first: list[bytes], second: list[bytes]) -> None:
    items = [*map(item, first), *map(item, second)]
    begins = [0, *accumulate(map(len, items))]
    assert first_frame(table(0, begins[len(first)]) + b"".join(items)) == b"".join(first)


def test_what_pydicom_writes_is_read() -> None:
    assert first_frame(encapsulate([b"1234", b"56"])) == b"1234"
    assert first_frame(encapsulate([b"1234"], fragments_per_frame=2)) == b"1234"


@pytest.mark.parametrize(
    ("encapsulated", "reason"),
    [
        (b"", "bad_fragments"),
        (table(), "bad_fragments"),
        (table() + item(b""), "bad_fragments"),
        (table() + item(b"1234", claimed=6), "bad_fragments"),
        (table() + item(b"1234", claimed=0xFFFFFFFF), "bad_fragments"),
        (table() + item(b"1234") + b"\0" * 8, "bad_fragments"),
        (table() + item(b"1234") + item(b"")[:7], "bad_fragments"),
        (table() + item(b"") * 1_000_000, "bad_fragments"),
        (item(b"\0\0\0") + item(b"1234"), "bad_offset_table"),
        (table(4) + item(b"1234"), "bad_offset_table"),
        (table(0, 6) + item(b"1234") + item(b"5678"), "bad_offset_table"),
        (table(0, 0) + item(b"1234") + item(b"5678"), "bad_offset_table"),
        (table(0, 0xFFFFFFF0) + item(b"1234") + item(b"5678"), "bad_offset_table"),
        (table(*range(5000)) + item(b"1234"), "bad_offset_table"),
    ],
    ids=[
        *("nothing", "no_fragment", "empty_fragment", "claims_more", "claims_4_gib", "no_item", "half_item"),
        *("many", "odd_table", "begins_late", "between_items", "not_growing", "beyond", "long_table"),
    ],
)
def test_a_lie_is_named(encapsulated: bytes, reason: str) -> None:
    with pytest.raises(RejectInput, match=f"^{reason}$"):
        first_frame(encapsulated)


PATCHES = st.lists(st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=4)), max_size=3)


@given(FRAGMENTS, PATCHES)
def test_damage_gives_bytes_of_it_or_a_refusal(
    fragments: list[bytes], patches: list[tuple[int, bytes]]
) -> None:
    damaged = bytearray(table(0) + b"".join(map(item, fragments)))
    for at, patch in patches:
        damaged[at : at + len(patch)] = patch
    try:
        frame = first_frame(bytes(damaged))
    except RejectInput:
        return
    assert 0 < len(frame) < len(damaged)
