"""The journey of one series, top to bottom: slices in, pages while they arrive, one outcome at the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from edge.analysis import Analysis
from edge.domain import statement, triage
from edge.domain.alert import Alert, AlertStatus
from edge.domain.arrival import (
    AssociationAborted,
    AssociationReleased,
    ConflictReceived,
    DuplicateReceived,
    InstanceStored,
    StoredInstance,
)
from edge.domain.case import SeriesCase
from edge.domain.evidence import SliceEvidence
from edge.domain.finding import Finding
from edge.domain.identity import StudyInstanceUID
from edge.domain.outcome import Outcome
from edge.domain.queueing import Priority
from edge.domain.series import Slab, UnusableInstance
from edge.domain.statement import Failure, Speaker
from edge.domain.study_alert import Raised
from edge.domain.unusable import UnusableReason
from edge.imaging.volume import Content
from edge.patience import patiently
from edge.ports import Conclusion, Ledger
from edge.surroundings import (
    Delivery,
    Opening,
    SeriesAnnounced,
    SliceRead,
    Surroundings,
    UnusableRead,
    pixels_of,
    read,
)
from edge.telemetry.events import AlertRaised, SeriesSettled

# A closed series whose last slabs take longer than this pages what it has; sooner, CONFIRMED is as quick.
LAST_WORD_S = 1.0


async def follow(opening: Opening, around: Surroundings) -> Conclusion:
    """One series revision from its first slice to its one outcome, which the ledger holds at return."""
    case, depth = opening.case, around.model.tensors.slab_depth
    speaker, paged = await patiently(around.emit, _said_before, opening.speaker, around.ledger)
    async with asyncio.TaskGroup() as tasks:
        analysis = _analysis(tasks, opening.mailbox, around)
        if paged:  # before a restart, or by an earlier revision
            analysis.claim.rise(Priority.SUSPICIOUS)
        for entry in opening.past:
            async for one in read(entry, around):
                case = _delivered(case, one, analysis, _now(around))
        case = case.associations_over(opening.over)
        analysis.start(case.progress.slabs(depth, closed=False))
        while not case.closed:
            around.reconstructions.note(speaker, case)
            known, case = case, await _next(case, opening.mailbox, analysis, around)
            if case is not known:  # something arrived, or nothing did for too long
                analysis.start(_slabs(case, known, depth))
                continue
            # The model has answered: page what it has shown so far, slices still arriving or not.
            rules = speaker.rules
            if not case.settling:  # those that ring already, or cannot by this answer, need no look
                silent = [r for r in rules if speaker.alert_id(r, case.study) not in paged]
                rules = triage.hopeful(silent, analysis.unseen())
            found = triage.preliminary(rules, case.progress.volume, analysis.evidence)
            paged = await _page(found, case, analysis, paged, speaker, around)
            if found and case.settling and analysis.judged(case.progress.slabs(depth, closed=True)):
                case = case.finding_settled()
        closed_at = around.clock.monotonic()
        async for _ in analysis.finish(case.progress.slabs(depth, closed=True)):
            if around.clock.monotonic() - closed_at > LAST_WORD_S:
                found = triage.preliminary(speaker.rules, case.progress.volume, analysis.evidence)
                paged = await _page(found, case, analysis, paged, speaker, around)
    outcome = statement.outcome(speaker, case, analysis.evidence, analysis.failure, around.clock.utc())
    if (mine := statement.reconstruction(speaker, case)) is not None:
        others = await patiently(around.emit, around.reconstructions.others, speaker)
        outcome = statement.among(outcome, mine, others, paged)
    last_words = statement.final_alerts(speaker, outcome, paged, case, analysis.evidence)
    await _conclude(outcome, last_words, case, around)
    around.emit(_settled(outcome, around.clock.monotonic() - closed_at))
    return _conclusion(outcome, case)


def _analysis(tasks: asyncio.TaskGroup, mailbox: asyncio.Queue[Delivery], around: Surroundings) -> Analysis:
    async def again(instance: StoredInstance) -> Content:
        return await pixels_of(instance, around)

    given = (around.model, again, around.decoded, around.inference, tasks, around.deadline_s)
    analysis = Analysis(*given, around.backlog)
    analysis.on_evidence = mailbox.put_nowait
    return analysis


def _slabs(case: SeriesCase, before: SeriesCase, depth: int) -> tuple[Slab, ...]:
    """What can be inferred now and could not before: around a new slice, or the ends of a whole series."""
    if case.settling:
        return case.progress.slabs(depth, closed=True)
    new = case.progress.latest
    if new is None or new is before.progress.latest:
        return ()
    return case.progress.slabs(depth, closed=False, near=new)


async def _page(
    found: tuple[Finding, ...],
    case: SeriesCase,
    analysis: Analysis,
    paged: frozenset[str],
    speaker: Speaker,
    around: Surroundings,
) -> frozenset[str]:
    """Pages what was found and not paged before; returns every alert id that is paged by now."""
    for finding in found:
        analysis.claim.rise(Priority.SUSPICIOUS)
        if (name := speaker.alert_id(finding.rule, case.study)) not in paged:
            now = around.clock.utc()
            page = statement.alert(speaker, AlertStatus.PRELIMINARY, finding, case, analysis.evidence, now)
            draft = around.messages.alert(page)
            if raised := await patiently(around.emit, around.ledger.alert, page, draft):
                around.emit(_raised(raised))
            paged |= {name}
    return paged


async def give_up(
    opening: Opening, instances: tuple[InstanceStored, ...], around: Surroundings
) -> Conclusion:
    """The outcome FAILED for a series whose journey keeps failing by an error of ours; pages stand."""
    case, series = opening.case, opening.speaker.series
    for entry in instances:
        uid = entry.instance.sop_instance_uid
        lost = UnusableInstance(
            StudyInstanceUID(""), series.series_instance_uid, uid, UnusableReason.INTERNAL_ERROR, True
        )
        case = case.unusable_arrived(lost, entry.association_id, entry.sequence, entry.at)
    now = around.clock.utc()
    failure = Failure("internal_error", "the journey failed again and again; see the log")
    outcome = statement.outcome(opening.speaker, case, {}, failure, now)
    await _conclude(outcome, (), case, around)
    around.emit(_settled(outcome, 0.0))
    return _conclusion(outcome, case)


async def _next(
    case: SeriesCase, mailbox: asyncio.Queue[Delivery], analysis: Analysis, around: Surroundings
) -> SeriesCase:
    """The case after whatever happens next, be it nothing for too long."""
    deadline_s = around.timers.deadline_s
    pause_s = max(around.timers.quiet_s, around.timers.quiet_factor * case.longest_pause_s)
    quiet_s = min(pause_s, deadline_s)
    delivery = await _within(quiet_s, mailbox, around)
    if delivery is None:
        case = case.quiet()
        if case.closed:
            return case
        delivery = await _within(deadline_s - quiet_s, mailbox, around)
    return case.overdue() if delivery is None else _delivered(case, delivery, analysis, _now(around))


def _now(around: Surroundings) -> float:
    return around.clock.utc().timestamp()


async def _within(seconds: float, mailbox: asyncio.Queue[Delivery], around: Surroundings) -> Delivery | None:
    """The next delivery, or None once it was quiet for so long with nothing unread in the journal."""
    while True:
        try:
            # Not wait_for: that one can swallow a cancellation (Python 3.11).
            async with asyncio.timeout(seconds):
                return await mailbox.get()
        except TimeoutError:
            if around.reading.at_head:
                return None


def _delivered(case: SeriesCase, delivery: Delivery, analysis: Analysis, now: float) -> SeriesCase:
    match delivery:
        case SliceRead(entry, content):
            after = case.slice_arrived(content.header, entry.association_id, entry.sequence, entry.at)
            if content.header in after.progress:
                analysis.keep(entry.instance, content, entry.at, now)
            return after
        case UnusableRead(entry, content):
            return case.unusable_arrived(content, entry.association_id, entry.sequence, entry.at)
        case DuplicateReceived():
            uid = delivery.instance.sop_instance_uid
            return case.duplicate_arrived(uid, delivery.association_id, delivery.sequence)
        case ConflictReceived():
            return case.conflict_arrived(delivery.instance.sop_instance_uid, delivery.sequence)
        case AssociationReleased():
            return case.association_released(delivery.association_id, delivery.sequence)
        case AssociationAborted():
            return case.association_aborted(delivery.association_id, delivery.sequence)
        case SeriesAnnounced(announced, sequence):
            return case.told(announced, sequence)
        case SliceEvidence():
            return case


async def _conclude(
    outcome: Outcome, last_words: tuple[Alert, ...], case: SeriesCase, around: Surroundings
) -> None:
    """The last word on every alert, the result and the outcome, all in one transaction."""
    drafts = [(alert, around.messages.alert(alert)) for alert in last_words]
    said = (outcome, case.through_sequence, drafts, around.messages.result(outcome))
    concluded = await patiently(around.emit, around.ledger.conclude, *said)
    around.reconstructions.forget(outcome.series.series_instance_uid)
    for raised in concluded or ():
        around.emit(_raised(raised))


def _raised(raised: Raised) -> AlertRaised:
    alert, rule = raised.alert, raised.alert.finding.rule
    words = (alert.alert_id, alert.status, rule.key, rule.urgency)
    return AlertRaised(*words, route=alert.route, demoted=alert.demoted, test=alert.test, first=raised.first)


def _settled(outcome: Outcome, settle_s: float) -> SeriesSettled:
    return SeriesSettled(
        series=outcome.series.series_token,
        revision=outcome.series.revision,
        outcome=outcome.kind,
        reason=outcome.reason,
        instances=outcome.instances,
        settle_s=settle_s,
        last_slice_to_settled_s=(outcome.settled_at - outcome.last_slice_received_at).total_seconds(),
        degraded=outcome.degraded,
        test=outcome.series.test,
    )


def _conclusion(outcome: Outcome, case: SeriesCase) -> Conclusion:
    revision, through = outcome.series.revision, case.through_sequence
    return Conclusion(outcome.outcome_id, revision, through, outcome.kind, outcome.reason)


def _said_before(speaker: Speaker, ledger: Ledger) -> tuple[Speaker, frozenset[str]]:
    """The speaker with the ids it goes on under, and those that are open."""
    series = speaker.series
    known = ledger.alert_names(series, speaker.model)
    return replace(speaker, known=known), ledger.paged_alerts(series.series_instance_uid, series.revision)
