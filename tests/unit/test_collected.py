"""Data sets that services take: each within its limit, all of them within one bound."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dicom.decoding_turns import DecodingTurns
from edge.dicom.dimse.collected import FREE_OF_EACH, NO_ROOM, TOO_LARGE, Collected, Room
from edge.dicom.dimse.command_set import (
    CommandField,
    CommandSet,
    Element,
    Response,
    read_command,
    write_command,
)
from edge.dicom.dimse.services import VERIFICATION, Context, Request, Service, Services, Session
from edge.domain.identity import AssociationId
from tests.fakes.clock import FakeClock

KIB = 1 << 10
STEP = "1.2.840.10008.3.1.2.3.3"


class Caller:
    association_id, calling, called = AssociationId("a"), "CT_1", "EDGE"


def kept(_session: Session, request: Request) -> Response:
    return Response(0x0000, comment=str(len(request.data_set)))


def asked(field: CommandField) -> CommandSet:
    return read_command(
        write_command({Element.COMMAND_FIELD: field, Element.MESSAGE_ID: 1, Element.COMMAND_DATA_SET_TYPE: 0})
    )


def zeros(count: int) -> memoryview:
    return memoryview(bytes(count))


def test_what_fits_is_handed_over_whole() -> None:
    one = Collected(KIB, Room(0))
    one.write(memoryview(b"ab"), memoryview(b"cd"))
    one.write(memoryview(b"ef"))
    assert (one.refusal, one.content()) == ("", b"abcdef")


def test_what_is_larger_than_allowed_leaves_nothing_and_takes_no_room() -> None:
    room = Room(100 * KIB)
    one = Collected(80 * KIB, room)
    one.write(zeros(70 * KIB), zeros(11 * KIB), zeros(1))
    assert (one.refusal, one.content()) == (TOO_LARGE, b"")
    assert room.take(100 * KIB)


def test_beyond_the_bound_a_large_one_is_refused_and_a_small_one_taken() -> None:
    room = Room(100 * KIB)
    large, late, small = (Collected(1 << 20, room) for _ in range(3))
    large.write(zeros(FREE_OF_EACH + 100 * KIB))
    late.write(zeros(FREE_OF_EACH), zeros(1))
    small.write(zeros(FREE_OF_EACH))
    assert [one.refusal for one in (large, late, small)] == ["", NO_ROOM, ""]
    assert len(large.content()) == FREE_OF_EACH + 100 * KIB
    again = Collected(1 << 20, room)
    again.write(zeros(FREE_OF_EACH + 1))
    assert again.refusal == NO_ROOM
    large.abandon()
    large.abandon()
    once_more = Collected(1 << 20, room)
    once_more.write(zeros(FREE_OF_EACH + 100 * KIB))
    assert once_more.refusal == ""


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60 * KIB), st.booleans()), max_size=60))
def test_room_comes_back_whatever_happens(steps: list[tuple[int, int, bool]]) -> None:
    room = Room(100 * KIB)
    there = [Collected(150 * KIB, room) for _ in range(4)]
    for which, count, ends in steps:
        there[which].write(zeros(count))
        if ends:
            there[which].abandon()
            there[which] = Collected(150 * KIB, room)
    for one in there:
        one.abandon()
    assert room.take(100 * KIB)
    assert not room.take(1)


def test_a_refused_data_set_is_answered_after_a_moment_and_its_handler_never_asked() -> None:
    waits, failures = list[float](), list[Exception]()
    step = Service(STEP, ("1.2.840.10008.1.2",), {CommandField.N_CREATE: kept})
    services = Services((VERIFICATION, step), most_data_set_bytes=4, wait=waits.append)
    command, context = asked(CommandField.N_CREATE), Context(STEP, "1.2.840.10008.1.2")
    answers: list[tuple[int, str]] = []
    for content in (b"1234", b"12345"):
        collected = services.collected(command, context)
        collected.write(memoryview(content))
        answer = services.answer(Caller(), command, context, collected, failures.append)
        answers.append((answer.status, answer.comment))
    assert answers == [(0x0000, "4"), (0x0213, TOO_LARGE)]
    assert (len(waits), failures) == (1, [])


def test_of_what_nobody_answers_nothing_is_collected() -> None:
    services = Services((VERIFICATION,))
    collected = services.collected(asked(CommandField.N_ACTION), Context(STEP, "1.2.840.10008.1.2"))
    collected.write(zeros(1))
    assert collected.content() == b""


def test_the_next_turn_waits_three_times_as_long_as_the_last_one_took() -> None:
    clock, waits = FakeClock(), list[float]()

    def wait(seconds: float) -> None:
        waits.append(seconds)
        clock.advance(seconds)

    turns = DecodingTurns(clock, wait=wait)
    for pause_s in (0.0, 0.5, 2.0):
        clock.advance(pause_s)
        with turns.turn(KIB):
            clock.advance(0.25)
    assert waits == [0.25]


def test_a_turn_that_fails_is_waited_for_as_well() -> None:
    clock = FakeClock()
    turns = DecodingTurns(clock, wait=clock.advance)
    with suppress(ZeroDivisionError), turns.turn(KIB):
        clock.advance(1.0)
        print(1 / 0)
    with turns.turn(KIB):
        assert clock.monotonic() == 4.0


@pytest.mark.parametrize(("later_s", "first"), [(1.0, "short"), (30.0, "long")])
def test_a_short_one_passes_a_long_one_that_has_not_waited_for_long(later_s: float, first: str) -> None:
    clock, order = FakeClock(), list[str]()
    turns = DecodingTurns(clock, wait=clock.advance)

    def decoded(name: str, size_bytes: int) -> None:
        with turns.turn(size_bytes):
            order.append(name)

    with turns.turn(KIB):
        long = threading.Thread(target=decoded, args=("long", 1 << 20))
        long.start()
        _until_waiting(turns, 1)
        clock.advance(later_s)
        short = threading.Thread(target=decoded, args=("short", KIB))
        short.start()
        _until_waiting(turns, 2)
    long.join()
    short.join()
    assert order[0] == first


def _until_waiting(turns: DecodingTurns, count: int) -> None:
    deadline = time.monotonic() + 10.0
    while turns.waiting < count:
        assert time.monotonic() < deadline, f"{turns.waiting} wait, not {count}"
