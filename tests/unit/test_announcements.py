"""What scanner and archive say of a series, in every order and with every contradiction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.acquisition import more_hinted
from edge.domain.announcement import Announced, Announcement, Standing, Tally, announced_of
from edge.domain.case import SeriesCase
from edge.domain.completeness import CompletionReason, Phase
from edge.domain.identity import AssociationId, SeriesInstanceUID
from edge.domain.outcome import Conclusion, OutcomeKind
from edge.domain.series import SeriesInProgress
from tests.builders import ANY_HEAD_CT, SERIES, header, uid
from tests.fakes.scanner_room import HEAD, ScannerRoom
from tests.fakes.virtual_time import run_in_virtual_time

A = AssociationId("a")
OTHER = SeriesInstanceUID("9.9")


def names(*indices: int) -> frozenset[str]:
    return frozenset(uid(i) for i in indices)


def said(standing: Standing, *indices: int, step: str = "4.5.6") -> Announcement:
    return Announcement(step, standing, {SERIES: frozenset(uid(i) for i in indices)})


@pytest.mark.parametrize(
    ("announced", "arrived", "tally"),
    [
        (Announced(), names(1, 2), Tally.OPEN),
        (Announced(names(1, 2)), names(1, 2), Tally.OPEN),
        (Announced(names(1, 2), final=True), names(1, 2), Tally.MET),
        (Announced(names(1, 2), final=True), names(1), Tally.SHORT),
        (Announced(names(1, 2)), names(1, 3, 4), Tally.SHORT),
        (Announced(names(1, 2), final=True), names(1, 2, 3), Tally.EXCEEDED),
        (Announced(final=True), names(1, 2), Tally.OPEN),
    ],
)
def test_what_arrived_is_held_against_what_was_announced(
    announced: Announced, arrived: frozenset[str], tally: Tally
) -> None:
    assert announced.tally(arrived) is tally  # type: ignore[arg-type]


def test_an_archive_never_says_that_this_is_all() -> None:
    assert not announced_of(SERIES, [said(Standing.AVAILABLE, 1, 2)]).final
    both = announced_of(SERIES, [said(Standing.COMPLETED, 1, 2), said(Standing.AVAILABLE, 3, step="7")])
    assert (both.named, both.final) == (names(1, 2, 3), True)
    assert both.tally([uid(1), uid(2), uid(3)]) is Tally.EXCEEDED


def test_a_second_step_that_goes_on_keeps_the_list_open_and_a_broken_one_marks_the_series() -> None:
    going_on = [said(Standing.COMPLETED, 1), said(Standing.IN_PROGRESS, 2, step="7")]
    assert not announced_of(SERIES, going_on).final
    broken = announced_of(SERIES, [said(Standing.COMPLETED, 1), said(Standing.DISCONTINUED, 2, step="7")])
    assert (broken.final, broken.discontinued) == (True, True)
    assert announced_of(OTHER, going_on) == Announced()


def test_images_in_acquisition_counts_by_acquisition_and_not_at_all_where_slices_disagree() -> None:
    def slices(*promised: int | None, acquisition: int = 1) -> list[object]:
        made = [
            header(i, acquisition_number=acquisition, images_in_acquisition=n) for i, n in enumerate(promised)
        ]
        return list(made)

    assert not more_hinted(slices(None, None), 0)  # type: ignore[arg-type]
    assert more_hinted(slices(3, 3), 0)  # type: ignore[arg-type]
    assert not more_hinted(slices(3, 3), 1)  # type: ignore[arg-type]
    assert not more_hinted(slices(2, 2), 0)  # type: ignore[arg-type]
    assert not more_hinted(slices(1, 1, 1), 0)  # type: ignore[arg-type]
    assert not more_hinted(slices(3, 4), 0)  # type: ignore[arg-type]
    assert more_hinted([*slices(2, 2), *slices(5, acquisition=2)], 0)  # type: ignore[arg-type]


# -- any order of the same facts -----------------------------------------------------------------


def empty() -> SeriesCase:
    return SeriesCase(SeriesInProgress(SERIES), ANY_HEAD_CT)


class Scene:
    """A series with the agent's rules about revisions, and nothing else of the agent."""

    def __init__(self) -> None:
        self.case = empty()
        self.arrived: list[int] = []
        self.steps: dict[str, Announcement] = {}
        self.sequence = 0
        self.outcomes: list[tuple[Phase, CompletionReason | None]] = []

    @property
    def announced(self) -> Announced:
        return announced_of(SERIES, self.steps.values())

    def arrives(self, index: int) -> None:
        self.sequence += 1
        self.arrived.append(index)
        if self.case.closed:
            self._opens()
        else:
            self.case = self.case.slice_arrived(header(index), A, self.sequence, float(self.sequence))
        self._noted()

    def hears(self, announcement: Announcement) -> None:
        self.sequence += 1
        self.steps[announcement.uid] = announcement
        if not self.case.closed:
            self.case = self.case.told(self.announced, self.sequence)
            self._noted()
        elif self._untrue():
            self._opens()

    def is_released(self) -> None:
        self.sequence += 1
        if not self.case.closed:
            self.case = self.case.association_released(A, self.sequence)
            self._noted()

    def is_quiet(self) -> None:
        if not self.case.closed and self.arrived:
            self.case = self.case.quiet()
            self._noted()

    def ends(self) -> tuple[Phase, CompletionReason | None]:
        self.is_quiet()
        if not self.case.closed:
            self.case = self.case.overdue()
            self._noted()
        return self.outcomes[-1]

    def _opens(self) -> None:
        """Past instances first, then what was announced, as pipeline.follow does."""
        case = empty()
        for i in self.arrived:
            case = case.slice_arrived(header(i), A, self.sequence, float(self.sequence))
        self.case = case.associations_over(frozenset({A})).told(self.announced, self.sequence)
        self._noted()

    def _untrue(self) -> bool:
        phase, reason = self.outcomes[-1]
        kind = OutcomeKind.NO_FINDING if phase is Phase.COMPLETE else OutcomeKind.INCOMPLETE
        concluded = Conclusion("o", 1, 0, kind, reason.value if reason else "")
        tally = self.announced.tally([uid(i) for i in self.arrived])
        return concluded.reopened_by(tally, discontinued=self.announced.discontinued)

    def _noted(self) -> None:
        if self.case.closed:
            self.outcomes.append((self.case.decision.phase, self.case.decision.reason))


WORDS = st.sampled_from(
    [
        [],
        [said(Standing.IN_PROGRESS)],
        [said(Standing.IN_PROGRESS, *range(5)), said(Standing.COMPLETED, *range(30))],
        [said(Standing.IN_PROGRESS), said(Standing.COMPLETED, *range(31))],
        [said(Standing.IN_PROGRESS), said(Standing.COMPLETED, *range(29))],
        [said(Standing.IN_PROGRESS), said(Standing.DISCONTINUED, *range(30))],
        [said(Standing.DISCONTINUED, *range(10))],
        [said(Standing.AVAILABLE, *range(31), step="7")],
        [said(Standing.COMPLETED, *range(30)), said(Standing.AVAILABLE, *range(31), step="7")],
    ]
)


def expected(words: list[Announcement], arrived: frozenset[str], gapless: bool, released: bool) -> Phase:
    """What may be said at the end, in the words of the issue and not of the table."""
    last = {a.uid: a for a in words}.values()
    missing = any(not a.series[SERIES] <= arrived for a in last)
    unnamed = any(a.over and a.series[SERIES] != arrived for a in last)
    broken = any(a.standing is Standing.DISCONTINUED for a in last)
    named = any(a.standing is Standing.COMPLETED for a in last) and not missing and not unnamed
    if missing or unnamed or broken or not gapless:
        return Phase.INCOMPLETE
    return Phase.COMPLETE if released or named else Phase.INCOMPLETE


@settings(max_examples=150, deadline=None)
@given(st.data(), WORDS, st.sampled_from([30, 31]), st.sampled_from([None, 0, 7, 29]), st.booleans())
def test_any_order_of_the_same_facts_ends_alike_and_never_complete_with_something_missing(
    data: st.DataObject, words: list[Announcement], slices: int, dropped: int | None, released: bool
) -> None:
    sent = [i for i in range(slices) if i != dropped]
    images: list[tuple[str, object]] = [("arrives", i) for i in data.draw(st.permutations(sent))]
    if released:
        images.append(("released", None))
    speech: list[tuple[str, object]] = [("hears", word) for word in words]
    facts: list[tuple[str, object]] = []
    while images or speech:
        from_images = bool(images) and (not speech or data.draw(st.booleans()))
        facts.append((images if from_images else speech).pop(0))
        if len(facts) % 11 == 0 and data.draw(st.booleans()):
            facts.append(("quiet", None))
    scene = Scene()
    for fact, what in facts:
        if fact == "arrives":
            scene.arrives(what)  # type: ignore[arg-type]
        elif fact == "hears":
            if scene.arrived:
                scene.hears(what)  # type: ignore[arg-type]
            else:  # the agent keeps it for the series to come
                scene.steps[what.uid] = what  # type: ignore[attr-defined]
                scene.case = replace(scene.case, announced=scene.announced)
        elif fact == "released":
            scene.is_released()
        else:
            scene.is_quiet()
    arrived = frozenset(uid(i) for i in sent)
    gapless = dropped in (None, 0) or (dropped == 29 and slices == 30)
    phase, _ = scene.ends()
    # A release is no fact any more for a revision that began after it: its association is over either way.
    once_closed = len(scene.outcomes) > 1
    assert phase is expected(words, arrived, gapless, released or once_closed)


# -- the agent -----------------------------------------------------------------------------------


def play(script: Callable[[ScannerRoom], Awaitable[None]], **timers: float) -> ScannerRoom:
    async def run() -> ScannerRoom:
        room = ScannerRoom(**timers)
        room.starts()
        try:
            await script(room)
        finally:
            await room.dies()
        return room

    return run_in_virtual_time(run())


@pytest.mark.parametrize("when", ["before", "during", "after"])
@pytest.mark.parametrize("end", ["release", "abort"])
def test_a_completed_step_that_names_all_lets_a_negative_close_without_quiet(when: str, end: str) -> None:
    async def script(room: ScannerRoom) -> None:
        if when == "before":
            room.says(Standing.COMPLETED, *HEAD)
        room.opens("a")
        room.sends("a", *HEAD[:20])
        if when == "during":
            room.says(Standing.COMPLETED, *HEAD)
        room.sends("a", *HEAD[20:])
        (room.releases if end == "release" else room.aborts)("a")
        if when == "after":
            room.says(Standing.COMPLETED, *HEAD)
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.NO_FINDING, "announced")

    assert play(script, quiet_s=20.0, deadline_s=60.0).results == ["no_finding"]


@pytest.mark.parametrize(
    ("standing", "named", "reason", "detail"),
    [
        (Standing.COMPLETED, 30, "deadline_announced", "30 announced, 1 of them did not come, 0 others did"),
        (Standing.AVAILABLE, 30, "deadline_announced", "30 announced, 1 of them did not come, 0 others did"),
        (
            Standing.IN_PROGRESS,
            30,
            "deadline_announced",
            "30 announced, 1 of them did not come, 0 others did",
        ),
        (
            Standing.COMPLETED,
            28,
            "deadline_unannounced",
            "28 announced, 0 of them did not come, 1 others did",
        ),
        (Standing.DISCONTINUED, 29, "discontinued", "29 announced, 0 of them did not come, 0 others did"),
    ],
)
def test_a_contradiction_is_never_a_negative(
    standing: Standing, named: int, reason: str, detail: str
) -> None:
    async def script(room: ScannerRoom) -> None:
        room.says(standing, *HEAD[:named])
        room.opens("a")
        room.sends("a", *HEAD[:29])
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason, outcome.detail) == (OutcomeKind.INCOMPLETE, reason, detail)

    assert play(script, deadline_s=0.3).results == ["incomplete"]


def test_a_bleed_in_a_discontinued_series_is_paged_and_its_page_stands() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD[:20], blood=[8, 9, 10])
        await room.until_pages(1)
        room.releases("a")
        room.says(Standing.DISCONTINUED, *HEAD[:20])
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.INCOMPLETE, "discontinued")
        assert "coverage" in outcome.detail or "vertex" in outcome.detail

    room = play(script, quiet_s=20.0, deadline_s=60.0)
    assert [status for status, _ in room.pages] == ["preliminary", "incomplete"]


def test_a_sender_that_stays_is_waited_for_until_it_is_quiet() -> None:
    async def script(room: ScannerRoom) -> None:
        room.says(Standing.COMPLETED, *HEAD)
        room.opens("a")
        room.sends("a", *HEAD)
        await room.until_read()
        assert room.ledger.outcomes == {}
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.NO_FINDING, "announced")

    play(script, quiet_s=0.4, deadline_s=60.0)


def test_a_step_that_never_ends_leaves_release_and_quiet_to_decide() -> None:
    async def script(room: ScannerRoom) -> None:
        room.says(Standing.IN_PROGRESS)
        room.opens("a")
        room.sends("a", *HEAD)
        room.releases("a")
        (outcome,) = await room.until_outcomes(1)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.NO_FINDING, "released")

    play(script)


@pytest.mark.parametrize("restart", [False, True])
def test_a_late_word_that_contradicts_a_negative_makes_a_revision(restart: bool) -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD[:29])
        room.releases("a")
        (first,) = await room.until_outcomes(1)
        assert first.kind is OutcomeKind.NO_FINDING
        if restart:
            await room.dies()
            room.starts()
        room.says(Standing.COMPLETED, *HEAD)
        _, second = await room.until_outcomes(2)
        assert (second.kind, second.reason) == (OutcomeKind.INCOMPLETE, "deadline_announced")
        assert second.series.predecessor == first.outcome_id
        room.opens("b")
        room.sends("b", HEAD[29])
        room.releases("b")
        *_, third = await room.until_outcomes(3)
        assert (third.kind, third.reason) == (OutcomeKind.NO_FINDING, "announced")
        await room.dies()
        room.starts()
        await room.until_read()

    assert play(script, deadline_s=0.3).results == ["no_finding", "incomplete", "no_finding"]


@pytest.mark.parametrize("restart", [False, True])
def test_an_incomplete_series_is_healed_by_a_step_that_names_exactly_what_came(restart: bool) -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD)
        room.aborts("a")
        (first,) = await room.until_outcomes(1)
        assert first.reason == "deadline_aborted"
        if restart:
            await room.dies()
            room.starts()
        room.says(Standing.COMPLETED, *HEAD)
        _, second = await room.until_outcomes(2)
        assert (second.kind, second.reason) == (OutcomeKind.NO_FINDING, "announced")

    play(script, deadline_s=0.3)


def test_a_late_release_after_a_restart_heals_too() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD)
        (first,) = await room.until_outcomes(1)
        assert first.reason == "deadline_open"
        await room.dies()
        room.starts()
        room.releases("a")
        _, second = await room.until_outcomes(2)
        assert second.kind is OutcomeKind.NO_FINDING

    play(script, deadline_s=0.3)


def test_the_same_word_again_changes_nothing() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD)
        for _ in range(3):
            room.says(Standing.COMPLETED, *HEAD)
        await room.until_outcomes(1)
        room.says(Standing.AVAILABLE, *HEAD, uid="7.8.9")
        room.releases("a")
        await room.until_read()

    assert play(script).results == ["no_finding"]


@pytest.mark.parametrize(("heeded", "result"), [(True, "incomplete"), (False, "no_finding")])
def test_images_in_acquisition_bars_a_negative_unless_told_otherwise(heeded: bool, result: str) -> None:
    promised = [header(i, images_in_acquisition=36) for i in range(30)]

    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *promised)
        room.releases("a")
        await room.until_outcomes(1)

    assert play(script, deadline_s=0.3, images_in_acquisition=heeded).results == [result]


def test_a_slice_after_the_step_that_named_all_before_it_makes_one_revision_with_it_in() -> None:
    async def script(room: ScannerRoom) -> None:
        room.opens("a")
        room.sends("a", *HEAD[:29])
        room.releases("a")
        room.says(Standing.COMPLETED, *HEAD[:29])
        await room.until_outcomes(1)
        room.opens("b")
        room.sends("b", HEAD[29])
        room.releases("b")
        _, second = await room.until_outcomes(2)
        assert (second.kind, second.reason, second.instances) == (
            OutcomeKind.INCOMPLETE,
            "deadline_unannounced",
            30,
        )
        await room.until_read()

    assert play(script, deadline_s=0.3).results == ["no_finding", "incomplete"]
