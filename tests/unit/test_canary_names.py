"""Nothing but this appliance makes a canary, and nothing hides behind one."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from edge.domain.canary import MOST_SLICES, canary_instance, canary_series, is_canary, own_series
from edge.domain.identity import SeriesInstanceUID, SopInstanceUID, derived_uid

KEY, OTHER = b"k" * 32, b"o" * 32
NONCES = st.integers(0, 2**60 - 1)


@given(NONCES)
def test_a_run_is_known_by_its_series_alone_and_only_under_its_key(nonce: int) -> None:
    series = canary_series(KEY, nonce)
    assert is_canary(KEY, series)
    assert not is_canary(OTHER, series)
    assert len(series) <= 64, "a UID has 64 characters at most (PS3.5 9.1)"
    assert uuid.UUID(int=int(series.removeprefix("2.25."))).version == 8


@given(NONCES, st.integers(0, 127))
def test_a_name_with_any_bit_changed_is_no_canary(nonce: int, bit: int) -> None:
    value = int(canary_series(KEY, nonce).removeprefix("2.25."))
    assert not is_canary(KEY, SeriesInstanceUID(f"2.25.{value ^ 1 << bit}"))


@given(
    st.one_of(
        st.uuids().map(lambda u: f"2.25.{u.int}"),
        st.integers(0, 2**128 - 1).map(lambda n: f"2.25.{n}"),
        st.from_regex(r"[012](\.[0-9]{1,12}){1,6}", fullmatch=True),
        st.text(max_size=20),
        st.sampled_from(["", "2.25", "2.25.", "2.25.-1", "2.25.1e3", f"2.25.{2**200}", "2.25.٣"]),
    )
)
def test_what_scanners_call_their_series_is_no_canary(name: str) -> None:
    series = SeriesInstanceUID(name)
    assert not is_canary(KEY, series)
    assert own_series(KEY, series, SopInstanceUID("1.2.3")) == series


@given(NONCES, st.integers(0, MOST_SLICES - 1))
def test_a_slice_of_ours_stays_and_a_stranger_in_its_series_is_taken_out(nonce: int, number: int) -> None:
    series = canary_series(KEY, nonce)
    assert own_series(KEY, series, canary_instance(KEY, series, number)) == series
    for stranger in (
        SopInstanceUID(derived_uid("a real slice", str(number))),
        canary_instance(OTHER, series, number),
        canary_instance(KEY, canary_series(KEY, nonce ^ 1), number),
        canary_instance(KEY, series, MOST_SLICES),
    ):
        taken_out = own_series(KEY, series, stranger)
        assert taken_out != series
        assert not is_canary(KEY, taken_out)
