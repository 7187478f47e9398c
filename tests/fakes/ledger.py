"""The ledger and the journal in memory; the contract suites run on these and on the files alike."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from edge.domain import study_alert
from edge.domain.alert import Alert, AlertStatus, Route
from edge.domain.announcement import Announcement
from edge.domain.arrival import (
    AnnouncementReceived,
    Arrival,
    AssociationAborted,
    AssociationOpened,
    AssociationReleased,
    ConflictReceived,
    DuplicateReceived,
    InstanceStored,
)
from edge.domain.identity import AssociationId, SeriesInstanceUID, SopInstanceUID
from edge.domain.outcome import Conclusion, ModelIdentity, Outcome, OutcomeKind, SeriesReference
from edge.domain.reconstruction import Reconstruction, Standing
from edge.domain.study_alert import Raised, Word, rule
from edge.errors import ShedLoad
from edge.ports import AlertDraft, Clock, Draft, PendingMessage, Receipt


class FakeLedger:
    """ports.Ledger; what it holds may be looked at, and nothing in it outlives the test."""

    def __init__(self, *, clock: Clock) -> None:
        self.outcomes: dict[tuple[str, int], tuple[Outcome, int]] = {}
        self.alerts: dict[tuple[str, AlertStatus, int, str], Alert] = {}
        self.messages: dict[str, PendingMessage] = {}
        self.receipts: dict[int, Receipt] = {}
        self.payloads: list[bytes] = []
        self.nobody_heard: dict[int, Receipt] = {}
        self._series: dict[int, str] = {}
        self._read_on = 0
        self._wakes: list[Callable[[], None]] = []
        self._clock = clock
        self._lock = threading.RLock()
        self.full = 0

    def remember_instance(self, sequence: int, series_instance_uid: str) -> None:
        self._series[sequence] = series_instance_uid

    def series_of_instances(self, first: int = 0) -> Mapping[int, str]:
        return {n: uid for n, uid in self._series.items() if n >= first}

    def series_of(self, sequence: int) -> str | None:
        return self._series.get(sequence)

    def sequences_of(self, series_instance_uid: str) -> Sequence[int]:
        return sorted(n for n, uid in self._series.items() if uid == series_instance_uid)

    def first_unconcluded(self) -> int:
        through = {uid: last.through_sequence for uid, last in self.conclusions().items()}
        beyond = [n for n, uid in self._series.items() if n > through.get(uid, 0)]
        return min(beyond, default=max(self._series, default=0) + 1)

    def read_on_from(self) -> int:
        return self._read_on

    def note_read_on(self, sequence: int) -> None:
        self._read_on = max(self._read_on, sequence)

    def series_among(self, sequences: Sequence[int]) -> Mapping[int, str]:
        return {n: self._series[n] for n in sequences if n in self._series}

    def lost_alone(self, limit: int) -> Sequence[int]:
        lost = {
            uid
            for (uid, _), (o, _) in self.outcomes.items()
            if (o.kind, o.reason, o.instances) == (OutcomeKind.FAILED, "unreadable_instance", 1)
        }
        return sorted((n for n, uid in self._series.items() if uid in lost), reverse=True)[:limit]

    def conclusion_of(self, series_instance_uid: str) -> Conclusion | None:
        return self.conclusions().get(series_instance_uid)

    def conclusions(self) -> Mapping[str, Conclusion]:
        ordered = sorted(self.outcomes.items(), key=lambda item: item[0][1])
        return {
            uid: Conclusion(o.outcome_id, revision, n, o.kind, o.reason)
            for (uid, revision), (o, n) in ordered
        }

    def paged_alerts(self, series_instance_uid: str, revision: int) -> frozenset[str]:
        last = {
            alert.alert_id: alert.status
            for alert in self.alerts.values()
            if alert.series.series_instance_uid == series_instance_uid and alert.series.revision <= revision
        }
        return frozenset(name for name, status in last.items() if status is not AlertStatus.RETRACTED)

    def alert_names(self, series: SeriesReference, model: ModelIdentity) -> Mapping[str, str]:
        said = [a for a in self.alerts.values() if a.series.series_instance_uid == series.series_instance_uid]
        return {a.finding.rule.key: a.alert_id for a in reversed(said) if a.model.name == model.name}

    def alert(self, alert: Alert, draft: AlertDraft) -> Raised | None:
        self._make_room()
        with self._lock:
            raised = self._raise([(alert, draft)], None)
        if raised:
            self._wake()
        return raised[0] if raised else None

    def conclude(
        self,
        outcome: Outcome,
        through_sequence: int,
        last_words: Sequence[tuple[Alert, AlertDraft]],
        result: Draft | None,
    ) -> Sequence[Raised] | None:
        self._make_room()
        with self._lock:
            revision = (outcome.series.series_instance_uid, outcome.series.revision)
            if revision in self.outcomes:
                return None
            raised = self._raise(last_words, result)
            self.outcomes[revision] = (outcome, through_sequence)
        if last_words or result:
            self._wake()
        return raised

    def reconstructions(self, study_token: str) -> Sequence[Reconstruction]:
        standing = {OutcomeKind.FINDING: Standing.FOUND, OutcomeKind.NO_FINDING: Standing.WHOLE}
        return [
            replace(made, standing=standing.get(last.kind, Standing.OUT))
            for last in self._latest().values()
            if (made := last.reconstruction) is not None and last.series.study_token == study_token
        ]

    def unspoken(self, series_instance_uid: str | None = None) -> Mapping[str, str]:
        latest = self._latest()
        by_token = {last.series.series_token: last for last in latest.values()}
        found: dict[str, str] = {}
        for uid, last in latest.items():
            if last.reason != "other_reconstruction" or last.choice is None:
                continue
            chosen = by_token.get(last.choice.series_token)
            if chosen is None or chosen.reason == "other_reconstruction":
                continue
            if chosen.kind in (OutcomeKind.FINDING, OutcomeKind.NO_FINDING):
                continue
            if series_instance_uid in (None, uid, chosen.series.series_instance_uid):
                found[uid] = chosen.series.series_instance_uid
        return found

    def _latest(self) -> dict[str, Outcome]:
        ordered = sorted(self.outcomes.items(), key=lambda item: item[0][1])
        return {uid: last for (uid, _), (last, _) in ordered}

    def pending(self, limit: int) -> Sequence[PendingMessage]:
        with self._lock:
            waiting = [m for m in self.messages.values() if m.sequence not in self.receipts][:limit]
            return [replace(m, unheard=m.sequence in self.nobody_heard) for m in waiting]

    def published(self, sequence: int, receipt: Receipt, at: datetime) -> None:
        self.receipts.setdefault(sequence, receipt)

    def unheard(self, sequence: int, receipt: Receipt) -> None:
        self.nobody_heard[sequence] = receipt

    def outbox_depth(self) -> tuple[int, datetime | None]:
        waiting = self.pending(len(self.messages))
        return len(waiting), min((m.enqueued_at for m in waiting), default=None)

    def check(self) -> None:
        """Memory does not fail."""

    def on_enqueued(self, wake: Callable[[], None]) -> None:
        self._wakes.append(wake)

    def _make_room(self) -> None:
        """The disk is full for the next `full` writes."""
        if self.full > 0:
            self.full -= 1
            raise ShedLoad("no space left")

    def _raise(self, said: Sequence[tuple[Alert, AlertDraft]], last: Draft | None) -> list[Raised]:
        """All or none; every stage is open, for nobody answers here."""
        raised: list[Raised] = []
        drafts: list[Draft] = []
        before = dict(self.alerts)
        try:
            for alert, draft in said:
                if _name(alert) in self.alerts:
                    continue
                ruling = rule(
                    alert, study_alert.Standing(self._words(alert.alert_id)), "", timedelta(hours=1)
                )
                routed = replace(alert, route=ruling.route, demoted=ruling.demoted)
                self.alerts[_name(alert)] = routed
                raised.append(Raised(routed, ruling.first))
                if routed.route is not Route.SILENT:
                    drafts.append(draft.routed(routed))
                if ruling.restates is not None:
                    payload = self.payloads[ruling.restates]
                    drafts.append(draft.restated(payload, ruling.restates))
                self.payloads.append(draft.routed(routed).encode(1).payload)
            self._enqueue([*drafts, *([last] if last else [])])
        except BaseException:
            self.alerts = before
            del self.payloads[len(before) :]
            raise
        return raised

    def _words(self, alert_id: str) -> tuple[Word, ...]:
        return tuple(
            Word(n, a.series.series_instance_uid, a.status, a.route, a.demoted, a.acquired_at)
            for n, a in enumerate(self.alerts.values())
            if a.alert_id == alert_id
        )

    def _enqueue(self, drafts: Sequence[Draft]) -> None:
        """All or none, as in a transaction."""
        fresh = dict(self.messages)
        for draft in drafts:
            if draft.key not in fresh:
                sequence = len(fresh) + 1
                fresh[draft.key] = PendingMessage(sequence, self._clock.utc(), draft.encode(sequence))
        self.messages = fresh

    def _wake(self) -> None:
        for wake in self._wakes:
            wake()


def _name(alert: Alert) -> tuple[str, AlertStatus, int, str]:
    return alert.alert_id, alert.status, alert.series.revision, alert.series.series_instance_uid


_BROUGHT = InstanceStored | DuplicateReceived | ConflictReceived


class FakeJournal:
    """ports.Journal over entries that a test appends itself."""

    def __init__(self) -> None:
        self.entries: list[Arrival] = []

    def append(self, arrival: Arrival) -> None:
        self.entries.append(arrival)

    def after(self, sequence: int, limit: int) -> Sequence[Arrival]:
        return tuple(e for e in self.entries if e.sequence > sequence)[:limit]

    def stored(self, sequences: Sequence[int]) -> Sequence[InstanceStored]:
        return tuple(e for e in self.entries if isinstance(e, InstanceStored) and e.sequence in sequences)

    def sequence_of(self, sop_instance_uid: SopInstanceUID) -> int | None:
        instances = [e for e in self.entries if isinstance(e, InstanceStored)]
        return next((e.sequence for e in instances if e.instance.sop_instance_uid == sop_instance_uid), None)

    def story(self, sequences: Sequence[int], before: int) -> Sequence[Arrival]:
        named = {e.instance.sop_instance_uid for e in self.stored(sequences)}
        below = [e for e in self.entries if e.sequence < before]
        brought = [e for e in below if isinstance(e, _BROUGHT) and e.instance.sop_instance_uid in named]
        carrying = {e.association_id for e in brought}
        ends = AssociationOpened | AssociationReleased | AssociationAborted
        return tuple(
            e for e in below if e in brought or (isinstance(e, ends) and e.association_id in carrying)
        )

    def brought_by(self, association_id: AssociationId, before: int) -> Sequence[InstanceStored]:
        return tuple(
            e
            for e in self.entries
            if isinstance(e, InstanceStored) and e.association_id == association_id and e.sequence < before
        )

    def announcements(self, series: SeriesInstanceUID, before: int) -> Sequence[Announcement]:
        said = [e for e in self.entries if isinstance(e, AnnouncementReceived) and e.sequence < before]
        naming = sorted({e.announcement.uid for e in said if series in e.announcement.series})
        return tuple(word for uid in naming if (word := self.word_of(uid, before)) is not None)

    def word_of(self, uid: str, before: int) -> Announcement | None:
        said = [e for e in self.entries if isinstance(e, AnnouncementReceived) and e.sequence < before]
        return next((e.announcement for e in reversed(said) if e.announcement.uid == uid), None)

    def replay_from(self, sequence: int) -> int:
        ends = AssociationReleased | AssociationAborted
        ended = {e.association_id for e in self.entries if isinstance(e, ends)}
        needed = {e.association_id for e in self.entries if e.sequence >= sequence}
        opened = [e for e in self.entries if isinstance(e, AssociationOpened)]
        begun = [e.sequence for e in opened if e.association_id in needed or e.association_id not in ended]
        return min([sequence, *begun])
