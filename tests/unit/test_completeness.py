from __future__ import annotations

import pytest

from edge.domain.completeness import (
    TRANSITIONS,
    CompletionReason,
    Facts,
    Phase,
    SeriesEvent,
    TransitionNotAllowed,
    decide,
)

WHOLE = Facts(instances=30, gapless=True, on_one_association=True)
PARTS = Facts(instances=30, gapless=True)


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
        Facts(instances=30, gapless=False, on_one_association=True),
        Facts(instances=30, gapless=True, on_one_association=True, open_associations=1),
        Facts(instances=30, gapless=True, on_one_association=True, announced=31),
        Facts(instances=30, gapless=True, aborted=True),
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
    aborted = Facts(instances=20, gapless=True, aborted=True)
    assert decide(Phase.COLLECTING, SeriesEvent.ASSOCIATION_ABORTED, aborted).phase is Phase.COLLECTING
    assert decide(Phase.COLLECTING, SeriesEvent.IDLE_ELAPSED, aborted).phase is Phase.COLLECTING
    end = decide(Phase.COLLECTING, SeriesEvent.DEADLINE_ELAPSED, aborted)
    assert (end.phase, end.reason) == (Phase.INCOMPLETE, CompletionReason.DEADLINE_ABORTED)


def test_an_announced_count_closes_without_a_release_once_it_is_met() -> None:
    short = Facts(instances=29, gapless=True, announced=30, open_associations=1)
    full = Facts(instances=30, gapless=True, announced=30, open_associations=1)
    assert decide(Phase.COLLECTING, SeriesEvent.INSTANCE_ARRIVED, short).phase is Phase.COLLECTING
    assert decide(Phase.COLLECTING, SeriesEvent.INSTANCE_ARRIVED, full).reason is CompletionReason.COUNTED
    assert decide(Phase.COLLECTING, SeriesEvent.COUNT_ANNOUNCED, full).phase is Phase.COMPLETE
    overdue = decide(Phase.COLLECTING, SeriesEvent.DEADLINE_ELAPSED, short)
    assert overdue.reason is CompletionReason.DEADLINE_COUNT


@pytest.mark.parametrize("phase", [Phase.COLLECTING, Phase.SETTLING])
@pytest.mark.parametrize("gapless", [True, False])
@pytest.mark.parametrize("aborted", [True, False])
def test_a_deadline_never_completes_anything(phase: Phase, gapless: bool, aborted: bool) -> None:
    facts = Facts(instances=30, gapless=gapless, aborted=aborted)
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
