"""Whoever may publish to the response topic may send any bytes: each is an answer or is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.domain.acknowledgement import Acknowledgement, Answer
from edge.errors import RejectInput
from edge.mqtt.answer import AckMessage, read_answer
from tests.statements import AT

GOOD = AckMessage.of(Acknowledgement("a1", "k", Answer.CLOSED, "stroke", "dr-7", AT)).model_dump(mode="json")
OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(timezones=OFFSETS).map(lambda at: at.isoformat())
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), TIMES)
NEARLY = st.dictionaries(st.sampled_from(sorted(GOOD)), VALUES, max_size=2).map(
    lambda odd: json.dumps({**GOOD, **odd}).encode()
)


@given(st.one_of(st.binary(max_size=200), NEARLY))
@example(json.dumps({**GOOD, "at": "0001-01-01T00:00:00+01:00"}).encode())
@example(json.dumps({**GOOD, "at": "9999-12-31T23:59:59-01:00"}).encode())
@example(json.dumps({**GOOD, "at": 1e308}).encode())
@example(b"[" * 4096)
@example(b"\xff\xfe")
def test_bytes_are_an_answer_or_refused_as_unreadable(payload: bytes) -> None:
    with suppress(RejectInput):
        read_answer(payload, "k")


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_a_time_that_utc_has_no_name_for_is_refused(at: str) -> None:
    with pytest.raises(RejectInput, match="ValidationError"):
        read_answer(json.dumps({**GOOD, "at": at}).encode(), "k")


def test_a_good_answer_is_read() -> None:
    assert read_answer(json.dumps(GOOD).encode(), "k").answer is Answer.CLOSED
