"""Whose instance it was, when its header does not parse any more."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.dicom.salvage import salvaged_uids

STUDY, SERIES = "1.2.840.1.22", "1.2.840.1.333"


def element(order: str, tag: int, value: bytes, *, explicit: bool = True) -> bytes:
    value += b"\0" * (len(value) % 2)
    number = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if explicit:
        return number + b"UI" + struct.pack(f"{order}H", len(value)) + value
    return number + struct.pack(f"{order}L", len(value)) + value


def header(order: str, *, explicit: bool = True) -> tuple[bytes, bytes, bytes]:
    """What comes before the two elements, they themselves, and what comes after."""

    def made(tag: int, value: str) -> bytes:
        return element(order, tag, value.encode(), explicit=explicit)

    # A referenced series in a sequence, as reports and derived images have it.
    nested = made(0x0020000E, "1.2.9.9.9") + b"\xfe\xff\x0d\xe0\0\0\0\0"
    before = bytes(132) + made(0x00080016, "1.2.840.10008.5.1.4.1.1.2") + nested
    return before, made(0x0020000D, STUDY) + made(0x0020000E, SERIES), made(0x00200013, "7") * 4


DELIMITER_BYTES = 8
ENCODINGS = [("<", True), ("<", False), (">", True)]


@given(
    st.sampled_from(ENCODINGS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=6),
    st.integers(0, 60),
)
@example(("<", True), [], 0)
def test_damage_elsewhere_does_not_hide_the_series(
    encoding: tuple[str, bool], patches: list[tuple[float, bytes]], kept_after: int
) -> None:
    before, uids, after = header(encoding[0], explicit=encoding[1])
    damaged = bytearray(before)
    for place, patch in patches:
        # Without the delimiter of the sequence nobody could tell its series from the one that follows.
        at = int(place * (len(before) - DELIMITER_BYTES - len(patch)))
        damaged[at : at + len(patch)] = patch
    assert salvaged_uids(bytes(damaged) + uids + after[:kept_after]) == (STUDY, SERIES)


@pytest.mark.parametrize(("order", "explicit"), ENCODINGS)
def test_a_damaged_study_does_not_hide_the_series(order: str, explicit: bool) -> None:
    before, uids, after = header(order, explicit=explicit)
    assert salvaged_uids(before + b"\xff" + uids[1:] + after) == ("", SERIES)


@pytest.mark.parametrize(("order", "explicit"), ENCODINGS)
def test_a_series_named_in_a_sequence_is_not_ours(order: str, explicit: bool) -> None:
    before, uids, _ = header(order, explicit=explicit)
    assert salvaged_uids(before) == ("", "")
    assert salvaged_uids(before + uids[:-8]) == ("", "")


@given(st.binary(max_size=400))
def test_noise_names_no_series(noise: bytes) -> None:
    assert salvaged_uids(noise) == ("", "")
