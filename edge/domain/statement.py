"""What the appliance says of a case: alerts and the outcome, as pure values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from edge.domain.acquired import first_acquired
from edge.domain.alert import Alert, AlertStatus, Timings
from edge.domain.case import SeriesCase
from edge.domain.completeness import Phase
from edge.domain.evidence import nothing_found
from edge.domain.finding import Finding, FindingRule
from edge.domain.frame import instance_of
from edge.domain.identity import StudyInstanceUID
from edge.domain.naming import alert_id, outcome_id
from edge.domain.outcome import ModelIdentity, Outcome, OutcomeKind, SeriesReference
from edge.domain.reconstruction import Reconstruction, acquisition_of, choose, rank
from edge.domain.triage import Evidence, final_status, settle

# What a whole series without a finding ends with when another of its acquisition speaks for it.
OTHER_RECONSTRUCTION = "other_reconstruction"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a series could not be judged at all; it ends FAILED, never negative."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who says it about which series; `key` is the appliance's secret for tokens.

    `known` are ids by finding under which the series, or its study, spoke before: it goes on under them.
    """

    key: bytes
    model: ModelIdentity
    rules: Sequence[FindingRule]
    series: SeriesReference
    known: Mapping[str, str] = field(default_factory=dict[str, str])

    def alert_id(self, rule: FindingRule, study: StudyInstanceUID) -> str:
        known = self.known.get(rule.key)
        return known or alert_id(self.key, study, rule, self.model, test=self.series.test)


def alert(
    speaker: Speaker,
    status: AlertStatus,
    finding: Finding,
    case: SeriesCase,
    evidence: Evidence,
    now: datetime,
) -> Alert:
    """One step of the alert that belongs to `finding`."""
    at = case.received_at
    positive = [at[instance_of(name)] for name in finding.slices]
    return Alert(
        alert_id=speaker.alert_id(finding.rule, case.study),
        status=status,
        finding=finding,
        series=speaker.series,
        model=speaker.model,
        timings=Timings(
            first_slice_received_at=_utc(min(at.values())),
            first_positive_slice_received_at=_utc(min(positive)) if positive else None,
            last_slice_received_at=_utc(max(at.values())),
            detected_at=now,
        ),
        degraded=any(e.degraded for e in evidence.values()),
        acquired_at=first_acquired(s.acquired_at for s in case.progress.slices),
    )


def outcome(
    speaker: Speaker, case: SeriesCase, evidence: Evidence, failure: Failure | None, now: datetime
) -> Outcome:
    """The one end of a closed case."""
    slices = case.progress.slices
    findings = settle(speaker.rules, slices, evidence)
    kind, reason, detail = _end(case, failure, findings)
    ordered = [s.sop_instance_uid for s in slices] or sorted(case.received_at)
    return Outcome(
        outcome_id=outcome_id(speaker.key, ordered, speaker.model, speaker.series.revision),
        kind=kind,
        reason=reason,
        detail=detail,
        series=speaker.series,
        model=speaker.model,
        findings=findings,
        instances=len(case.received_at),
        degraded=any(e.degraded for e in evidence.values()),
        first_slice_received_at=_utc(min(case.received_at.values())),
        last_slice_received_at=_utc(max(case.received_at.values())),
        settled_at=now,
    )


def reconstruction(speaker: Speaker, case: SeriesCase) -> Reconstruction | None:
    """A case as one of several of its acquisition; None when the model saw nothing of it."""
    slices, series = case.progress.slices, speaker.series
    acquisition = acquisition_of(slices)
    if acquisition is None:
        return None
    ranked = max(rank(s, case.scope) for s in slices)
    return Reconstruction(
        series.series_instance_uid, series.series_token, acquisition, ranked, test=series.test
    )


def among(
    said: Outcome, mine: Reconstruction, others: Sequence[Reconstruction], paged: frozenset[str]
) -> Outcome:
    """The outcome in view of other reconstructions; only a negative that nobody was paged about gives way."""
    if said.kind not in (OutcomeKind.FINDING, OutcomeKind.NO_FINDING):
        return replace(said, reconstruction=mine)
    choice = choose(mine, others, speaks_up=bool(said.findings or paged))
    if choice is None or choice.series_token == mine.series_token:
        return replace(said, reconstruction=mine, choice=choice)
    return replace(
        said,
        kind=OutcomeKind.NOT_ELIGIBLE,
        reason=OTHER_RECONSTRUCTION,
        detail=f"series {choice.series_token} speaks for this acquisition: {choice.reason}",
        reconstruction=mine,
        choice=choice,
    )


def final_alerts(
    speaker: Speaker, said: Outcome, paged: frozenset[str], case: SeriesCase, evidence: Evidence
) -> tuple[Alert, ...]:
    """The last word on every alert that pages now or paged before."""
    if not evidence:
        return ()  # what was paged before stands as it was said
    by_rule = {f.rule.key: f for f in said.findings}
    alerts: list[Alert] = []
    for rule in speaker.rules:
        finding = by_rule.get(rule.key)
        status = final_status(speaker.alert_id(rule, case.study) in paged, finding, said.kind)
        if status is not None:
            named = finding or nothing_found(rule, evidence)
            alerts.append(alert(speaker, status, named, case, evidence, said.settled_at))
    return tuple(alerts)


def _end(
    case: SeriesCase, failure: Failure | None, findings: tuple[Finding, ...]
) -> tuple[OutcomeKind, str, str]:
    """Kind, reason and detail; a negative only where nothing at all is missing."""
    closing = case.decision.reason.value if case.decision.reason is not None else ""
    missing = case.missing() or case.set_aside()
    if failure is not None:
        return OutcomeKind.FAILED, failure.reason, failure.detail
    if not case.progress.slices and missing is None:
        reasons = sorted(set(case.out_of_scope.values()))
        return OutcomeKind.NOT_ELIGIBLE, reasons[0], ", ".join(reasons)
    if not case.progress.slices and missing is not None:
        return OutcomeKind.FAILED, missing.reason, missing.detail
    if (said := case.contradiction()) is not None:
        more = f"; {missing.reason}: {missing.detail}" if missing is not None else ""
        return OutcomeKind.INCOMPLETE, said.reason, said.detail + more
    if missing is not None:
        return OutcomeKind.INCOMPLETE, missing.reason, missing.detail
    if case.decision.phase is Phase.INCOMPLETE:
        return OutcomeKind.INCOMPLETE, closing, ""
    return (OutcomeKind.FINDING if findings else OutcomeKind.NO_FINDING), closing, ""


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
