"""The agent holds what is under way and a window of what was; the rest it asks for when it matters."""

from __future__ import annotations

import gc
from collections import deque
from dataclasses import replace
from typing import Any

import pytest

from edge.domain.announcement import Standing
from edge.domain.arrival import JournalEntry
from edge.domain.identity import SeriesInstanceUID, SopInstanceUID, StudyInstanceUID, made_up_series
from edge.domain.outcome import OutcomeKind
from edge.domain.scanner import Scanners
from edge.domain.series import SliceHeader, UnusableInstance
from edge.domain.unusable import UnusableReason
from tests.builders import SERIES, header
from tests.fakes.scanner_room import HEAD, ScannerRoom
from tests.unit.test_agent import play

OTHERS = [
    header(i, series_instance_uid=SeriesInstanceUID(f"8.{i}"), sop_instance_uid=SopInstanceUID(f"8.{i}.1"))
    for i in range(12)
]
LOST = SopInstanceUID("7.7")
NAMELESS = UnusableInstance(
    StudyInstanceUID(""), made_up_series(LOST), LOST, UnusableReason.NOT_DICOM, True, series_known=False
)


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is over is remembered beyond the next entry."""
    monkeypatch.setattr("edge.recollection.MOST_SERIES", 0)
    monkeypatch.setattr("edge.recollection.MOST_ENTRIES", 0)
    monkeypatch.setattr("edge.recollection._LOOK_EVERY", 1)


async def passes(room: ScannerRoom, *, name: str = "a") -> None:
    """A head without blood that ends before what is to come."""
    room.opens(name)
    room.sends(name, *HEAD[:29])
    room.releases(name)
    await room.until_outcomes(1)
    room.opens("other")
    room.sends("other", OTHERS[0])
    await room.until_read()
    assert SERIES not in room.agent._recollection._held


async def until_revision(room: ScannerRoom) -> None:
    while (SERIES, 2) not in room.ledger.outcomes:
        await room.until_outcomes(len(room.ledger.outcomes) + 1)


@pytest.mark.usefixtures("forgetful")
def test_a_late_slice_of_a_forgotten_series_makes_a_revision_of_all_of_it() -> None:
    async def script(room: ScannerRoom) -> None:
        await passes(room)
        room.opens("b")
        room.sends("b", HEAD[29])
        room.releases("b")
        await until_revision(room)
        first, second = (room.ledger.outcomes[(SERIES, n)][0] for n in (1, 2))
        assert (second.kind, second.instances) == (OutcomeKind.NO_FINDING, 30)
        assert (second.series.revision, second.series.predecessor) == (2, first.outcome_id)
        assert second.series.scanner == "scanner-1"

    play(script)


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("restart", [False, True])
def test_a_forgotten_series_stays_of_whoever_brought_it_though_others_had_called_before(
    *, restart: bool
) -> None:
    """A test title had an association open all the time, and repeats a slice of the series on it."""

    async def script(room: ScannerRoom) -> None:
        room.opens("drill", "CT_TEST")
        await passes(room)
        room.sends("drill", HEAD[3])
        room.releases("drill")
        await room.until_read()
        if restart:
            await room.dies()
            room.starts()
        room.opens("b")
        room.sends("b", HEAD[29])
        room.releases("b")
        await until_revision(room)
        series = room.ledger.outcomes[(SERIES, 2)][0].series
        assert (series.scanner, series.ae_title, series.test) == ("scanner-1", "CT_ER_1", False)

    play(script, scanners=Scanners({"CT_ER_1": "scanner-1"}, {"CT_TEST"}))


@pytest.mark.usefixtures("forgetful")
def test_other_bytes_and_words_and_damage_take_back_what_was_said_of_a_forgotten_series() -> None:
    async def script(room: ScannerRoom) -> None:
        await passes(room)
        room.opens("b")
        room.sends_other_bytes("b", HEAD[4])
        await until_revision(room)

    async def words(room: ScannerRoom) -> None:
        await passes(room)
        room.says(Standing.COMPLETED, *HEAD)
        await until_revision(room)

    async def damage(room: ScannerRoom) -> None:
        await passes(room)
        room.opens("b")
        room.sends("b", HEAD[3], OTHERS[1], OTHERS[2], NAMELESS)
        await until_revision(room)

    for one, reason in (
        (script, "conflicting_instance"),
        (words, "deadline_announced"),
        (damage, "unreadable_instance"),
    ):
        room = play(one, deadline_s=1.0)
        outcome, _ = room.ledger.outcomes[(SERIES, 2)]
        assert (outcome.kind, outcome.reason) == (OutcomeKind.INCOMPLETE, reason)


@pytest.mark.usefixtures("forgetful")
def test_a_forgotten_series_is_healed_by_the_release_of_what_carried_all_of_it() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD)
        (first,) = await room.until_outcomes(1)
        assert first.reason == "deadline_open"
        room.opens("other")
        room.sends("other", OTHERS[0])
        await room.until_read()
        room.releases("a")
        await until_revision(room)
        assert room.ledger.outcomes[(SERIES, 2)][0].kind is OutcomeKind.NO_FINDING

    play(script, deadline_s=0.5)


@pytest.mark.usefixtures("forgetful")
def test_a_later_revision_of_a_forgotten_series_remembers_conflict_and_damage() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD[:20], NAMELESS, *HEAD[20:29])
        room.sends_other_bytes("a", HEAD[4])
        room.releases("a")
        await room.until_outcomes(2)
        room.opens("other")
        room.sends("other", OTHERS[0])
        await room.until_read()
        room.opens("b")
        room.sends("b", HEAD[29])
        room.releases("b")
        await until_revision(room)
        outcome, _ = room.ledger.outcomes[(SERIES, 2)]
        assert (outcome.kind, outcome.reason) == (OutcomeKind.INCOMPLETE, "unreadable_instance")

    play(script, deadline_s=0.5)


@pytest.mark.parametrize("event", ["words", "conflict", "damage"])
def test_a_crash_in_a_revision_that_no_slice_began_does_not_lose_it(event: str) -> None:
    """Nothing in the ledger says that it was begun: what began it has to be read again."""

    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD)
        room.releases("a")
        await room.until_outcomes(1)
        room.opens("b")
        room.sends("b", replace(OTHERS[0], modality="MR"))
        room.releases("b")
        await room.until_outcomes(2)
        room.opens("c")
        if event == "words":
            room.says(Standing.COMPLETED, *HEAD, header(30))
        elif event == "conflict":
            room.sends_other_bytes("c", HEAD[4])
        else:
            room.sends("c", HEAD[3], NAMELESS)
        room.releases("c")
        # What comes after it is over before the process ends, so that only a note leads back to it.
        room.opens("d")
        room.sends("d", replace(OTHERS[5], modality="MR"))
        room.releases("d")
        await room.until_outcomes(3)
        await room.until_read()
        await room.dies()
        assert (SERIES, 2) not in room.ledger.outcomes
        room.starts()
        await until_revision(room)
        assert room.ledger.outcomes[(SERIES, 2)][0].kind is OutcomeKind.INCOMPLETE

    play(script, deadline_s=2.0, quiet_s=0.05)


def test_a_process_that_begins_reads_on_and_not_all_of_the_journal_again() -> None:
    async def script(room: ScannerRoom) -> None:
        for n in range(3):
            room.opens(f"a{n}")
            room.sends(f"a{n}", *_head(n, 30))
            room.releases(f"a{n}")
            await room.until_outcomes(n + 1)
        await room.until_read()
        await room.dies()
        room.starts()
        begins.append(room.agent.recovery.begin)
        lengths.append(len(room.journal.entries))
        await room.until_read()

    begins: list[int] = []
    lengths: list[int] = []
    assert len(play(script).results) == 3
    assert begins[0] > lengths[0] - 33


def test_what_is_held_does_not_grow_with_what_was_ever_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.recollection.MOST_SERIES", 5)
    monkeypatch.setattr("edge.recollection._LOOK_EVERY", 1)

    async def script(room: ScannerRoom) -> None:
        for n in range(60):
            room.opens(f"a{n}")
            room.sends(f"a{n}", *_head(n, 6))
            room.releases(f"a{n}")
            room.says(Standing.COMPLETED, *_head(n, 6), uid=f"4.{n}")
            await room.until_outcomes(n + 1)
            if n in (19, 59):
                await room.until_read()
                held.append(_held(room))

    held: list[dict[str, int]] = []
    play(script, deadline_s=0.02, quiet_s=0.01)
    early, late = held
    assert late["entries"] <= early["entries"] + 10
    assert late["headers"] <= early["headers"] + 10
    assert late["objects"] < early["objects"] * 1.1 + 200


def _head(n: int, slices: int) -> list[SliceHeader]:
    series = SeriesInstanceUID(f"6.{n}")
    return [
        replace(HEAD[i], series_instance_uid=series, sop_instance_uid=SopInstanceUID(f"6.{n}.{i}"))
        for i in range(slices)
    ]


def _held(room: ScannerRoom) -> dict[str, int]:
    """Everything that can be reached from the agent, but for what stands for disk, server and log."""
    outside = (room.ledger, room.journal, room.model, room.happenings, room.clock)
    seen = {id(one) for one in outside} | {id(type(one)) for one in outside}
    todo: deque[Any] = deque([vars(room.agent)])
    counts = {"objects": 0, "entries": 0, "headers": 0}
    while todo:
        one = todo.popleft()
        if id(one) in seen or isinstance(one, type) or type(one).__name__ in ("module", "function", "frame"):
            continue
        seen.add(id(one))
        counts["objects"] += 1
        counts["entries"] += isinstance(one, JournalEntry)
        counts["headers"] += isinstance(one, SliceHeader)
        todo.extend(gc.get_referents(one))
    return counts
