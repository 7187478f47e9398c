"""From evidence to what is said, and what may not be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.domain.alert import AlertStatus
from edge.domain.evidence import SliceEvidence, find
from edge.domain.finding import Finding, FindingRule, Level
from edge.domain.identity import SopInstanceUID
from edge.domain.outcome import OutcomeKind
from edge.domain.series import SliceHeader

Evidence = Mapping[SopInstanceUID, SliceEvidence]


@dataclass(frozen=True, slots=True)
class Closing:
    """How the series ended: `missing` names what bars a negative, None when nothing does."""

    missing: str | None
    reason: str
    detail: str = ""


def preliminary(
    rules: Sequence[FindingRule], slices: Sequence[SliceHeader], evidence: Evidence
) -> tuple[Finding, ...]:
    """Findings that pass the page point on the slices known so far."""
    found = (find(rule, slices, evidence) for rule in rules)
    return tuple(f for f in found if f is not None and f.level is Level.PAGE)


def settle(
    rules: Sequence[FindingRule], slices: Sequence[SliceHeader], evidence: Evidence
) -> tuple[Finding, ...]:
    """Findings at either point once every slice has its final evidence."""
    found = (find(rule, slices, evidence) for rule in rules)
    return tuple(f for f in found if f is not None)


def outcome_kind(findings: Sequence[Finding], closing: Closing) -> OutcomeKind:
    """FINDING or NO_FINDING only for a series that nothing is missing from."""
    if closing.missing is not None:
        return OutcomeKind.INCOMPLETE
    return OutcomeKind.FINDING if findings else OutcomeKind.NO_FINDING


def final_status(paged_before: bool, finding: Finding | None, closing: Closing) -> AlertStatus | None:
    """The last word on one alert, or None when nobody was paged and nobody needs to be.

    A page is taken back only by a complete negative; an incomplete series cannot retract.
    """
    pages = finding is not None and finding.level is Level.PAGE
    if closing.missing is not None:
        return AlertStatus.INCOMPLETE if pages or paged_before else None
    if pages:
        return AlertStatus.CONFIRMED
    return AlertStatus.RETRACTED if paged_before else None
