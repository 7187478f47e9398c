from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from edge.domain.announcement import Tally
from edge.domain.completeness import (
    TRANSITIONS,
    CompletionReason,
    Decision,
    Facts,
    Phase,
    SeriesEvent,
    TransitionNotAllowed,
    decide,
)

WHOLE = Facts(gapless=True, on_one_association=True)
PARTS = Facts(gapless=True)


def test_a_release_of_the_whole_series_settles_and_a_finding_closes_it_at_once() -> None:
    assert decide(Phase.COLLECTING, SeriesEvent.ASSOCIATION_RELEASED, WHOLE).phase is Phase.SETTLING
    closed = decide(Phase.SETTLING, SeriesEvent.FINDING_SETTLED, WHOLE)
    assert (closed.phase, closed.reason) == (Phase.COMPLETE, CompletionReason.RELEASED)


def test_a_negative_waits_for_quiet_though_the_release_was_clean() -> None:
    closed = decide(Phase.SETTLING, SeriesEvent.IDLE_ELAPSED, WHOLE)
    assert (closed.phase, closed.reason) == (Phase.COMPLETE, CompletionReason.RELEASED)


@pytest.mark.parametrize(
    "facts",
    [
        Facts(gapless=False, on_one_association=True),
        Facts(gapless=True, on_one_association=True, open_associations=1),
        Facts(gapless=True, on_one_association=True, tally=Tally.SHORT),
        Facts(gapless=True, on_one_association=True, tally=Tally.EXCEEDED),
        Facts(gapless=True, on_one_association=True, hinted=True),
        Facts(gapless=True, aborted=True),
    ],
)
def test_a_release_that_leaves_a_doubt_keeps_the_series_open(facts: Facts) -> None:
    for event in (SeriesEvent.ASSOCIATION_RELEASED, SeriesEvent.IDLE_ELAPSED):
        assert decide(Phase.COLLECTING, event, facts).phase is Phase.COLLECTING


def test_a_series_in_many_associations_settles_and_waits_for_quiet_even_with_a_finding() -> None:
    assert decide(Phase.COLLECTING, SeriesEvent.ASSOCIATION_RELEASED, PARTS).phase is Phase.SETTLING
    assert decide(Phase.SETTLING, SeriesEvent.FINDING_SETTLED, PARTS).phase is Phase.SETTLING
    closed = decide(Phase.SETTLING, SeriesEvent.IDLE_ELAPSED, PARTS)
    assert (closed.phase, closed.reason) == (Phase.COMPLETE, CompletionReason.QUIET)


def test_an_abort_never_closes_and_its_deadline_is_incomplete() -> None:
    aborted = Facts(gapless=True, aborted=True)
    assert decide(Phase.COLLECTING, SeriesEvent.ASSOCIATION_ABORTED, aborted).phase is Phase.COLLECTING
    assert decide(Phase.COLLECTING, SeriesEvent.IDLE_ELAPSED, aborted).phase is Phase.COLLECTING
    end = decide(Phase.COLLECTING, SeriesEvent.DEADLINE_ELAPSED, aborted)
    assert (end.phase, end.reason) == (Phase.INCOMPLETE, CompletionReason.DEADLINE_ABORTED)


ENDS = [SeriesEvent.ASSOCIATION_RELEASED, SeriesEvent.ASSOCIATION_ABORTED, SeriesEvent.ANNOUNCED]


@pytest.mark.parametrize("phase", [Phase.COLLECTING, Phase.SETTLING])
@pytest.mark.parametrize("event", ENDS)
def test_a_completed_step_that_names_what_arrived_closes_once_nobody_is_sending(
    phase: Phase, event: SeriesEvent
) -> None:
    met = Facts(gapless=True, tally=Tally.MET, aborted=True, hinted=True)
    assert decide(phase, event, met) == Decision(Phase.COMPLETE, CompletionReason.ANNOUNCED)
    sending = replace(met, open_associations=1)
    assert decide(phase, event, sending).phase in (Phase.COLLECTING, Phase.SETTLING)
    quiet = decide(phase, SeriesEvent.IDLE_ELAPSED, sending)
    assert quiet == Decision(Phase.COMPLETE, CompletionReason.ANNOUNCED)


def test_a_gap_outweighs_a_step_that_names_exactly_what_arrived() -> None:
    met = Facts(gapless=False, tally=Tally.MET)
    for event in (*ENDS, SeriesEvent.IDLE_ELAPSED):
        assert decide(Phase.COLLECTING, event, met).phase is Phase.COLLECTING
    end = decide(Phase.COLLECTING, SeriesEvent.DEADLINE_ELAPSED, met)
    assert end == Decision(Phase.INCOMPLETE, CompletionReason.DEADLINE_MISSING)


@pytest.mark.parametrize(
    ("tally", "reason"),
    [
        (Tally.SHORT, CompletionReason.DEADLINE_ANNOUNCED),
        (Tally.EXCEEDED, CompletionReason.DEADLINE_UNANNOUNCED),
    ],
)
def test_a_word_that_contradicts_what_arrived_waits_for_the_deadline(
    tally: Tally, reason: CompletionReason
) -> None:
    facts = Facts(gapless=True, on_one_association=True, tally=tally)
    for event in (*ENDS, SeriesEvent.IDLE_ELAPSED):
        assert decide(Phase.COLLECTING, event, facts).phase is Phase.COLLECTING
    end = decide(Phase.COLLECTING, SeriesEvent.DEADLINE_ELAPSED, facts)
    assert end == Decision(Phase.INCOMPLETE, reason)


def test_a_discontinued_series_ends_incomplete_as_soon_as_nothing_more_can_come() -> None:
    stopped = replace(WHOLE, discontinued=True)
    ended = Decision(Phase.INCOMPLETE, CompletionReason.DISCONTINUED)
    for event in ENDS:
        assert decide(Phase.COLLECTING, event, replace(stopped, tally=Tally.MET)) == ended
        assert decide(Phase.COLLECTING, event, stopped).phase is Phase.COLLECTING
    assert decide(Phase.COLLECTING, SeriesEvent.IDLE_ELAPSED, stopped) == ended
    waiting = replace(stopped, tally=Tally.SHORT)
    assert decide(Phase.COLLECTING, SeriesEvent.IDLE_ELAPSED, waiting).phase is Phase.COLLECTING
    overdue = decide(Phase.COLLECTING, SeriesEvent.DEADLINE_ELAPSED, waiting)
    assert overdue == Decision(Phase.INCOMPLETE, CompletionReason.DEADLINE_ANNOUNCED)


def test_a_step_still_in_progress_changes_nothing_about_a_series_that_looks_whole() -> None:
    assert decide(Phase.SETTLING, SeriesEvent.ANNOUNCED, WHOLE).phase is Phase.SETTLING


def test_images_in_acquisition_bars_a_close_and_brings_none_about() -> None:
    hinted = replace(WHOLE, hinted=True)
    for event in (SeriesEvent.ASSOCIATION_RELEASED, SeriesEvent.IDLE_ELAPSED):
        assert decide(Phase.COLLECTING, event, hinted).phase is Phase.COLLECTING
    overdue = decide(Phase.COLLECTING, SeriesEvent.DEADLINE_ELAPSED, hinted)
    assert overdue.reason is CompletionReason.DEADLINE_HINTED
    assert decide(Phase.COLLECTING, SeriesEvent.INSTANCE_ARRIVED, WHOLE).phase is Phase.COLLECTING


NO_YES = (False, True)
EVERYTHING = [Facts(*facts) for facts in product(NO_YES, NO_YES, (0, 1), NO_YES, Tally, NO_YES, NO_YES)]


@pytest.mark.parametrize(("phase", "event"), list(TRANSITIONS))
def test_nothing_with_a_doubt_is_ever_complete(phase: Phase, event: SeriesEvent) -> None:
    for facts in EVERYTHING:
        if decide(phase, event, facts).phase is Phase.COMPLETE:
            assert facts.gapless
            assert not facts.discontinued
            assert facts.tally in (Tally.OPEN, Tally.MET)
            undoubted = not facts.aborted and not facts.open_associations and not facts.hinted
            assert facts.tally is Tally.MET or undoubted


@pytest.mark.parametrize("phase", [Phase.COLLECTING, Phase.SETTLING])
@pytest.mark.parametrize("gapless", [True, False])
@pytest.mark.parametrize("aborted", [True, False])
def test_a_deadline_never_completes_anything(phase: Phase, gapless: bool, aborted: bool) -> None:
    facts = Facts(gapless=gapless, aborted=aborted)
    assert decide(phase, SeriesEvent.DEADLINE_ELAPSED, facts).phase is Phase.INCOMPLETE


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("event", list(SeriesEvent))
def test_a_pair_the_table_does_not_name_raises_and_every_open_phase_knows_what_can_happen(
    phase: Phase, event: SeriesEvent
) -> None:
    is_open = phase in (Phase.COLLECTING, Phase.SETTLING)
    expected = is_open != (event is SeriesEvent.LATE_ARRIVAL)
    if event is SeriesEvent.FINDING_SETTLED:
        expected = phase is Phase.SETTLING
    assert ((phase, event) in TRANSITIONS) is expected
    if not expected:
        with pytest.raises(TransitionNotAllowed):
            decide(phase, event, WHOLE)
