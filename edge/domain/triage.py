"""From evidence to what is said, and what may not be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.domain.alert import AlertStatus
from edge.domain.evidence import SliceEvidence, find
from edge.domain.finding import Finding, FindingRule, Level
from edge.domain.identity import SopInstanceUID
from edge.domain.outcome import OutcomeKind
from edge.domain.series import SliceHeader

Evidence = Mapping[SopInstanceUID, SliceEvidence]


def hopeful(rules: Sequence[FindingRule], news: Sequence[SliceEvidence]) -> tuple[FindingRule, ...]:
    """Rules that `news` could have made pass at the page point: the others need no look at all slices."""
    return tuple(r for r in rules if any(e.probability[r.key] >= r.page.probability for e in news))


def preliminary(
    rules: Sequence[FindingRule], slices: Sequence[SliceHeader], evidence: Evidence
) -> tuple[Finding, ...]:
    """Findings that pass the page point on the slices known so far."""
    return tuple(f for f in settle(rules, slices, evidence) if f.level is Level.PAGE)


def settle(
    rules: Sequence[FindingRule], slices: Sequence[SliceHeader], evidence: Evidence
) -> tuple[Finding, ...]:
    """Findings at either point; final once every slice has its final evidence."""
    found = (find(rule, slices, evidence) for rule in rules)
    return tuple(f for f in found if f is not None)


def final_status(paged_before: bool, finding: Finding | None, kind: OutcomeKind) -> AlertStatus | None:
    """The last word on one alert, or None when nobody was paged and nobody needs to be.

    Only a complete, fully analysed series takes a page back; any other leaves it standing.
    """
    pages = finding is not None and finding.level is Level.PAGE
    if kind in (OutcomeKind.FINDING, OutcomeKind.NO_FINDING):
        if pages:
            return AlertStatus.CONFIRMED
        return AlertStatus.RETRACTED if paged_before else None
    return AlertStatus.INCOMPLETE if pages or paged_before else None
