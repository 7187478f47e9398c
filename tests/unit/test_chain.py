"""Any change to a chained record shows, and without the key no other chain can be made."""

from __future__ import annotations

import random

from hypothesis import assume, given
from hypothesis import strategies as st

from edge.domain.chain import FIRST, Field, chain_key, digest, link, seal

KEY = chain_key(b"k" * 32)
FIELDS = st.lists(st.none() | st.integers() | st.text() | st.binary(), max_size=4)


def chained(key: bytes, records: list[list[Field]]) -> list[bytes]:
    links, before = list[bytes](), FIRST
    for record in records:
        before = link(key, before, record)
        links.append(before)
    return links


@given(FIELDS, FIELDS)
def test_no_two_records_look_alike(one: list[Field], other: list[Field]) -> None:
    assume(one != other)
    assert digest(one) != digest(other)
    assert link(KEY, FIRST, one) != link(KEY, FIRST, other)


@given(st.lists(FIELDS, min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_a_change_shows_in_every_link_from_there_on(records: list[list[Field]], dice: random.Random) -> None:
    place = dice.randrange(len(records))
    changed = [*records[:place], [*records[place], "more"], *records[place + 1 :]]
    before, after = chained(KEY, records), chained(KEY, changed)
    assert before[:place] == after[:place]
    assert all(a != b for a, b in zip(before[place:], after[place:], strict=True))


def test_another_key_makes_another_chain_and_another_seal() -> None:
    other = chain_key(b"o" * 32)
    assert chained(KEY, [["a"], ["b"]])[0] != chained(other, [["a"], ["b"]])[0]
    assert seal(KEY, 7) != seal(other, 7)
    assert seal(KEY, 7) != seal(KEY, 8)
