"""The journey of one series, top to bottom: slices in, pages while they arrive, one outcome at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from edge.analysis import Analysis
from edge.domain import statement, triage
from edge.domain.alert import Alert, AlertStatus
from edge.domain.arrival import (
    AssociationAborted,
    AssociationReleased,
    ConflictReceived,
    DuplicateReceived,
    InstanceStored,
)
from edge.domain.case import SeriesCase
from edge.domain.evidence import SliceEvidence
from edge.domain.identity import AssociationId, StudyInstanceUID
from edge.domain.outcome import Outcome
from edge.domain.series import UnusableInstance
from edge.domain.statement import Failure, Speaker
from edge.imaging.volume import Slice
from edge.models.contract import ClinicalModel
from edge.ports import Clock, Conclusion, InferenceQueue, Ledger, Messages, PixelSource, Priority
from edge.settings import CompletenessSettings
from edge.telemetry.events import AlertRaised, Happening, SeriesSettled

# A closed series whose last slabs take longer than this pages what it has; sooner, CONFIRMED is as quick.
LAST_WORD_S = 1.0


@dataclass(frozen=True, slots=True)
class SliceRead:
    """A stored instance that turned out to be a slice."""

    entry: InstanceStored
    content: Slice


@dataclass(frozen=True, slots=True)
class UnusableRead:
    """A stored instance that is no slice, or none any more."""

    entry: InstanceStored
    content: UnusableInstance


Delivery = (
    SliceRead
    | UnusableRead
    | DuplicateReceived
    | ConflictReceived
    | AssociationReleased
    | AssociationAborted
    | SliceEvidence
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every journey shares; `deadline_s` bounds one attempt of one inference request."""

    model: ClinicalModel
    pixels: PixelSource
    inference: InferenceQueue
    ledger: Ledger
    messages: Messages
    clock: Clock
    emit: Callable[[Happening], None]
    timers: CompletenessSettings
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Opening:
    """A series revision that begins: `past` is what came before, `mailbox` brings what happens now.

    `over` are the associations of the past that have ended.
    """

    case: SeriesCase
    speaker: Speaker
    past: tuple[InstanceStored, ...]
    over: frozenset[AssociationId]
    mailbox: asyncio.Queue[Delivery]


async def follow(opening: Opening, around: Surroundings) -> Conclusion:
    """One series revision from its first slice to its one outcome, which the ledger holds at return."""
    case, speaker, depth = opening.case, opening.speaker, around.model.tensors.slab_depth
    paged = await asyncio.to_thread(_pages_before, speaker, around.ledger)
    async with asyncio.TaskGroup() as tasks:
        analysis = Analysis(around.model, around.pixels, around.inference, tasks, around.deadline_s)
        analysis.on_evidence = opening.mailbox.put_nowait
        for entry in opening.past:
            case = _delivered(case, await read(entry, around.pixels), analysis)
        case = case.associations_over(opening.over)
        while not case.closed:
            known, case = case, await _next(case, opening.mailbox, analysis, around)
            if case is known:  # nothing arrived but evidence
                paged |= await _page(case, analysis, paged, speaker, around)
            else:
                analysis.start(case.progress.slabs(depth, closed=False))
        closed_at = around.clock.monotonic()
        async for _ in analysis.finish(case.progress.slabs(depth, closed=True)):
            if around.clock.monotonic() - closed_at > LAST_WORD_S:
                paged |= await _page(case, analysis, paged, speaker, around)
    outcome = statement.outcome(speaker, case, analysis.evidence, analysis.failure, around.clock.utc())
    last_words = statement.final_alerts(speaker, outcome, paged, case, analysis.evidence)
    await _conclude(outcome, last_words, case, around)
    around.emit(_settled(outcome, around.clock.monotonic() - closed_at))
    return Conclusion(outcome.outcome_id, outcome.series.revision, case.through_sequence)


async def _page(
    case: SeriesCase, analysis: Analysis, paged: frozenset[str], speaker: Speaker, around: Surroundings
) -> frozenset[str]:
    """Pages what passes the page point now and was not paged before; returns the new alert ids."""
    pages: set[str] = set()
    for finding in triage.preliminary(speaker.rules, case.progress.slices, analysis.evidence):
        analysis.priority = min(analysis.priority, Priority.SUSPICIOUS)
        if (name := speaker.alert_id(finding.rule)) not in paged:
            now = around.clock.utc()
            page = statement.alert(speaker, AlertStatus.PRELIMINARY, finding, case, analysis.evidence, now)
            if await asyncio.to_thread(around.ledger.alert, page, around.messages.alert(page)):
                around.emit(_raised(page))
            pages.add(name)
    return frozenset(pages)


async def give_up(
    opening: Opening, instances: tuple[InstanceStored, ...], around: Surroundings
) -> Conclusion:
    """The outcome FAILED for a series whose journey keeps failing by an error of ours; pages stand."""
    case, series = opening.case, opening.speaker.series
    for entry in instances:
        uid = entry.instance.sop_instance_uid
        lost = UnusableInstance(StudyInstanceUID(""), series.series_instance_uid, uid, "internal_error", True)
        case = case.unusable_arrived(lost, entry.association_id, entry.sequence, entry.at)
    now = around.clock.utc()
    failure = Failure("internal_error", "the journey failed again and again; see the log")
    outcome = statement.outcome(opening.speaker, case, {}, failure, now)
    paged = await asyncio.to_thread(_pages_before, opening.speaker, around.ledger)
    await _conclude(outcome, statement.final_alerts(opening.speaker, outcome, paged, case, {}), case, around)
    around.emit(_settled(outcome, 0.0))
    return Conclusion(outcome.outcome_id, series.revision, case.through_sequence)


async def read(entry: InstanceStored, pixels: PixelSource) -> SliceRead | UnusableRead:
    """Reads one instance in a worker thread, so that decoding one slice never holds up another."""
    content = await asyncio.to_thread(pixels.read, entry.instance)
    return SliceRead(entry, content) if isinstance(content, Slice) else UnusableRead(entry, content)


async def _next(
    case: SeriesCase, mailbox: asyncio.Queue[Delivery], analysis: Analysis, around: Surroundings
) -> SeriesCase:
    """The case after whatever happens next, be it nothing for too long."""
    deadline_s = around.timers.deadline_s
    pause_s = max(around.timers.quiet_s, around.timers.quiet_factor * case.longest_pause_s)
    quiet_s = min(pause_s, deadline_s)
    # asyncio.timeout and not wait_for: that one can swallow a cancellation (Python 3.11).
    try:
        async with asyncio.timeout(quiet_s):
            return _delivered(case, await mailbox.get(), analysis)
    except TimeoutError:
        case = case.quiet()
    if case.closed:
        return case
    try:
        async with asyncio.timeout(deadline_s - quiet_s):
            return _delivered(case, await mailbox.get(), analysis)
    except TimeoutError:
        return case.overdue()


def _delivered(case: SeriesCase, delivery: Delivery, analysis: Analysis) -> SeriesCase:
    match delivery:
        case SliceRead(entry, content):
            analysis.keep(entry.instance, content)
            return case.slice_arrived(content.header, entry.association_id, entry.sequence, entry.at)
        case UnusableRead(entry, content):
            return case.unusable_arrived(content, entry.association_id, entry.sequence, entry.at)
        case DuplicateReceived() | ConflictReceived():
            uid = delivery.instance.sop_instance_uid
            return case.duplicate_arrived(uid, delivery.association_id, delivery.sequence)
        case AssociationReleased():
            return case.association_released(delivery.association_id, delivery.sequence)
        case AssociationAborted():
            return case.association_aborted(delivery.association_id, delivery.sequence)
        case SliceEvidence():
            return case


async def _conclude(
    outcome: Outcome, last_words: tuple[Alert, ...], case: SeriesCase, around: Surroundings
) -> None:
    """The last word on every alert, the result and the outcome, all in one transaction."""
    drafts = [(alert, around.messages.alert(alert)) for alert in last_words]
    result = (None, around.messages.result(outcome))
    if await asyncio.to_thread(around.ledger.conclude, outcome, case.through_sequence, [*drafts, result]):
        for alert in last_words:
            around.emit(_raised(alert))


def _raised(alert: Alert) -> AlertRaised:
    return AlertRaised(alert.alert_id, alert.status, alert.finding.rule.key, alert.finding.rule.urgency)


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
    )


def _pages_before(speaker: Speaker, ledger: Ledger) -> frozenset[str]:
    return ledger.paged_alerts(speaker.series.series_instance_uid, speaker.series.revision)
