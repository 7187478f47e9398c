"""How far a canary came names the part to blame: one row for each way it can stop."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from edge.domain.alert import AlertStatus
from edge.domain.canary import SUSPECTS, Evidence, Page, Part, Stage, blame
from edge.domain.outcome import OutcomeKind
from tests.statements import AT

QUEUED = Page(AlertStatus.CONFIRMED, False, AT)
PUBLISHED = replace(QUEUED, published_at=AT + timedelta(seconds=1))
UNHEARD = replace(PUBLISHED, heard=False)
ANSWERED = replace(PUBLISHED, received_at=AT, answered_at=AT + timedelta(seconds=2))
EARLY = replace(ANSWERED, status=AlertStatus.PRELIMINARY)
DEGRADED = replace(ANSWERED, degraded=True)
STORED = Evidence(20, acknowledged=True)
DECODED = replace(STORED, decoded=20)


def with_pages(*pages: Page, outcome: OutcomeKind | None = OutcomeKind.FINDING) -> Evidence:
    return replace(DECODED, pages=pages, outcome=outcome)


@pytest.mark.parametrize(
    ("seen", "unwell", "part", "reason"),
    [
        (Evidence(20), set(), Part.RECEIVER, "not_acknowledged"),
        (Evidence(20), {Part.TRITON, Part.BROKER}, Part.RECEIVER, "not_acknowledged"),
        (STORED, {Part.AGENT}, Part.AGENT, "not_decoded"),
        (replace(STORED, decoded=19), set(), Part.AGENT, "not_decoded"),
        (DECODED, {Part.TRITON}, Part.TRITON, "no_page"),
        (DECODED, {Part.TRITON, Part.AGENT}, Part.TRITON, "no_page"),
        (DECODED, set(), Part.AGENT, "no_page"),
        (with_pages(QUEUED), {Part.BROKER}, Part.BROKER, "not_published"),
        (with_pages(QUEUED), {Part.AGENT}, Part.AGENT, "not_published"),
        (with_pages(QUEUED), set(), Part.OUTBOX, "not_published"),
        (with_pages(UNHEARD), {Part.BROKER}, Part.PAGER, "not_subscribed"),
        (with_pages(PUBLISHED), set(), Part.PAGER, "not_delivered"),
        (with_pages(PUBLISHED), {Part.BROKER}, Part.BROKER, "not_delivered"),
        (with_pages(PUBLISHED), {Part.AGENT}, Part.AGENT, "not_delivered"),
        (with_pages(EARLY, outcome=None), {Part.TRITON}, Part.TRITON, "not_confirmed"),
        (with_pages(EARLY, QUEUED), {Part.BROKER}, Part.BROKER, "not_confirmed"),
        (with_pages(ANSWERED), set(), None, "proven"),
        (with_pages(EARLY, ANSWERED), {Part.AGENT, Part.BROKER}, None, "proven"),
        (with_pages(DEGRADED), set(), Part.TRITON, "degraded"),
        (with_pages(outcome=OutcomeKind.NO_FINDING), set(), Part.TRITON, "no_finding"),
        (with_pages(outcome=OutcomeKind.INCOMPLETE), set(), Part.AGENT, "incomplete"),
        (with_pages(EARLY, outcome=OutcomeKind.FAILED), set(), Part.AGENT, "failed"),
    ],
)
def test_the_part_to_blame(seen: Evidence, unwell: set[Part], part: Part | None, reason: str) -> None:
    assert blame(seen, lambda asked: asked not in unwell) == (part, reason)


def test_every_stage_but_the_last_has_suspects_and_the_last_of_them_need_not_be_asked() -> None:
    assert set(SUSPECTS) == set(Stage) - {Stage.PROVEN}
    asked: list[Part] = []

    def well(part: Part) -> bool:
        asked.append(part)
        return True

    for stage, suspects in SUSPECTS.items():
        assert suspects, stage
    assert blame(STORED, well) == (Part.AGENT, "not_decoded")
    assert asked == []
    assert blame(with_pages(QUEUED), well)[0] is Part.OUTBOX
    assert asked == [Part.BROKER, Part.AGENT]


def test_the_proof_is_the_first_answer_and_is_over_with_the_confirmed_page() -> None:
    assert with_pages(EARLY, PUBLISHED).proven_at == EARLY.answered_at
    assert not with_pages(EARLY, PUBLISHED).over
    assert with_pages(EARLY, ANSWERED).over
    assert not with_pages(ANSWERED, outcome=None).over, "its outcome is on the way"
    assert with_pages(outcome=OutcomeKind.NO_FINDING).over
