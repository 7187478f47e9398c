"""Multi-frame instances on their way through the agent: frames are slices, instances are what is counted."""

from __future__ import annotations

from dataclasses import replace

from edge.domain.frame import Concatenation, frame_name
from edge.domain.identity import SopInstanceUID
from edge.domain.outcome import OutcomeKind
from tests.fakes.scanner_room import HEAD, ScannerRoom
from tests.unit.test_agent import play

WHOLE = SopInstanceUID("1.2.9")


def test_one_instance_is_a_whole_head_and_pages() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends_frames("a", WHOLE, *HEAD, blood=[8, 9, 10])
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.instances) == (OutcomeKind.FINDING, 1)
        (finding,) = outcome.findings
        assert finding.slices == tuple(frame_name(WHOLE, k) for k in (9, 10, 11))
        # Once to learn that it has frames, and once each: the decoded slices were still there.
        assert room.model.reads[WHOLE] == 1 + len(HEAD)

    assert [status for status, _ in play(script).pages][-1] == "confirmed"


def test_frames_in_any_stored_order_are_the_same_head() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends_frames("a", WHOLE, *HEAD[::-2], *HEAD[::2])
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert outcome.kind is OutcomeKind.NO_FINDING

    assert play(script).pages == []


def test_a_bleed_across_the_parts_of_a_concatenation_is_one_finding() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        for number, part in enumerate((HEAD[:10], HEAD[10:20], HEAD[20:]), start=1):
            known = [replace(h, concatenation=Concatenation("1.9", number, 3)) for h in part]
            room.sends_frames("a", f"{WHOLE}.{number}", *known, blood={1: [9], 2: [0], 3: []}[number])
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.instances) == (OutcomeKind.FINDING, 3)
        (finding,) = outcome.findings
        assert len(finding.slices) == 2

    play(script)


def test_without_a_part_of_the_concatenation_nothing_negative_is_said() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        known = [replace(h, concatenation=Concatenation("1.9", 2, 2)) for h in HEAD]
        room.sends_frames("a", WHOLE, *known)
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.INCOMPLETE, "frames_missing")
        assert outcome.detail == "1 parts of a concatenation"

    play(script, deadline_s=0.3)


def test_a_restart_replays_a_multi_frame_instance_once() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends_frames("a", WHOLE, *HEAD, blood=[8, 9, 10])
        await room.until_pages(1)
        await room.dies()
        room.starts()
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.instances) == (OutcomeKind.FINDING, 1)

    assert [status for status, _ in play(script).pages] == ["preliminary", "confirmed"]


def test_slices_that_come_late_reopen_a_head_of_frames() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends_frames("a", WHOLE, *HEAD[:29])
        room.releases("a")
        await room.until_outcomes(1)
        room.opens("b")
        room.sends_frames("b", f"{WHOLE}.2", *HEAD[29:])
        room.releases("b")
        first, second = await room.until_outcomes(2)
        assert (first.series.revision, second.series.revision) == (1, 2)
        assert (second.kind, second.instances) == (OutcomeKind.NO_FINDING, 2)

    play(script)
