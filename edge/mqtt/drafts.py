"""From what the core says to what goes on the wire, and back to what happenings need to know of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from edge import __version__
from edge.alert_ports import Followed, MessageSummary
from edge.domain.alert import Alert, AlertStatus
from edge.domain.canary import Verdict
from edge.domain.degraded import Condition, Mode
from edge.domain.escalation import Rung, Step
from edge.domain.lifecycle import MISSED_FOR
from edge.domain.outcome import Outcome, SeriesReference
from edge.domain.queueing import said_wait_s
from edge.domain.quiet import QuietKind
from edge.mqtt.answer import CONTENT_TYPE
from edge.mqtt.message import (
    ANY_MESSAGE,
    AlertMessage,
    CanaryMessage,
    EscalationWords,
    HeartbeatMessage,
    ResultMessage,
    StatusMessage,
)
from edge.mqtt.message_draft import AlertMessageDraft, MessageDraft, payload_of
from edge.mqtt.notice_message import NoticeMessage, QuietWords
from edge.mqtt.progress import Progress
from edge.mqtt.topics import Topic, Topics
from edge.ports import Clock, OutboundMessage
from edge.settings import Settings

# A heartbeat that waited longer than this many intervals says nothing about now.
HEARTBEAT_LIFETIME = 3
# A canary is judged long before.
TEST_EXPIRY_S = 600


@dataclass(frozen=True, slots=True)
class Presence:
    """Retained on the status topic: `online` at every connect, `offline` at close, `will` without us."""

    online: OutboundMessage
    offline: Callable[[], OutboundMessage]
    will: OutboundMessage


class AlertMessages:
    """Implements ports.Messages, and says how the appliance itself is."""

    def __init__(self, settings: Settings) -> None:
        self._topics = Topics.of(settings)
        self._appliance = settings.appliance.name
        self._expiry_s = settings.mqtt.alert_expiry_s
        self._heartbeat_expiry_s = max(1, round(HEARTBEAT_LIFETIME * settings.mqtt.heartbeat_s))

    def alert(self, alert: Alert) -> AlertMessageDraft:
        """Raises pydantic's ValidationError for an alert that no consumer could read."""
        # The sequence is the outbox's to give; the first one stands in until `encode`.
        message = AlertMessage.of(alert, self._appliance, sequence=1)
        return AlertMessageDraft(
            key=f"{alert.alert_id}:{alert.status}:{alert.series.revision}:{alert.series.series_token}",
            topic=self._topic(alert),
            expiry_s=self._lifetime_s(alert.series),
            response_topic=self._topics.ack,
            message=message,
            redraft=self.alert,
        )

    def escalated(self, said: OutboundMessage, step: Step, rung: Rung, reason: str) -> MessageDraft:
        """The same words for another role; implements alert_ports.Pages."""
        message = AlertMessage.model_validate_json(said.payload)
        why = EscalationWords(role=step.role, step=rung.step, times=rung.times, reason=reason)
        again = "update" if reason == "update" else str(rung.times)
        return MessageDraft(
            key=f"{said.key}:{step.role}:{again}",
            topic=self._topics.below(step.topic),
            expiry_s=said.expiry_s,
            response_topic=said.response_topic,
            message=message.model_copy(update={"escalation": why, "rings": reason != "update"}),
        )

    def expired(self, page: Followed, at: datetime) -> MessageDraft:
        """For ops, and on every pager that shows notices: from now on nobody is rung for it."""
        raised = page.life.opened_at
        message = NoticeMessage(
            appliance=self._appliance,
            sequence=1,
            what="page_expired",
            at=at,
            alert_id=page.life.alert_id,
            finding=page.finding,
            text=f"Nobody has taken the page {page.life.alert_id} ({page.finding}), raised "
            f"{raised:%Y-%m-%d %H:%M} UTC, and nobody is rung for it any more. Tell the staff yourself.",
        )
        key = f"notice:expired:{page.said_key}:{raised.isoformat()}"
        return MessageDraft(key, self._topics.notice, round(MISSED_FOR.total_seconds()), None, message)

    def result(self, outcome: Outcome) -> MessageDraft:
        """Raises pydantic's ValidationError for an outcome that no consumer could read."""
        return MessageDraft(
            key=outcome.outcome_id,
            topic=self._topics.test_result if outcome.series.test else self._topics.result,
            expiry_s=self._lifetime_s(outcome.series),
            response_topic=None,
            message=ResultMessage.of(outcome, self._appliance, sequence=1),
        )

    def condition(
        self, condition: Condition, wait_s: float | None = None, quiet: Sequence[QuietWords] = ()
    ) -> OutboundMessage:
        """How the appliance is while it runs; `wait_s` is said, rounded up, while it is overloaded."""
        modes = condition.names
        if not modes:
            return self.status("online", condition.since, quiet=quiet)
        said_s = said_wait_s(wait_s) if wait_s is not None and Mode.OVERLOADED in modes else None
        return self.status("degraded", condition.since, modes[0], modes, said_s, quiet)

    def _lifetime_s(self, series: SeriesReference) -> int:
        return min(TEST_EXPIRY_S, self._expiry_s) if series.test else self._expiry_s

    def status(
        self,
        status: Literal["online", "degraded", "offline"],
        since: datetime | None,
        reason: str = "",
        modes: tuple[str, ...] = (),
        wait_s: float | None = None,
        quiet: Sequence[QuietWords] = (),
    ) -> OutboundMessage:
        """Retained; `since` None only for the Will, which the broker sends when we cannot."""
        message = StatusMessage(
            appliance=self._appliance,
            status=status,
            since=since,
            reason=reason,
            modes=modes,
            wait_s=wait_s,
            version=__version__,
            quiet=tuple(quiet),
        )
        when = since.isoformat() if since else "will"
        return OutboundMessage(
            key=f"{self._appliance}:{status}:{when}:{wait_s:.0f}"
            if wait_s
            else f"{self._appliance}:{status}:{when}",
            topic=self._topics.status,
            payload=payload_of(message),
            content_type=CONTENT_TYPE,
            expiry_s=0,
            retain=True,
        )

    def presence(self, clock: Clock) -> Presence:
        return Presence(
            online=self.status("online", clock.utc()),
            offline=lambda: self.status("offline", clock.utc(), "closed"),
            will=self.status("offline", None, "connection_lost"),
        )

    def _topic(self, alert: Alert) -> Topic:
        """No clinical role hears of a test, nor is rung for what was demoted."""
        if alert.test or alert.demoted == QuietKind.TEST:
            return self._topics.test_alert
        return self._topics.worklist if alert.demoted else self._topics.alert(alert.finding.rule.urgency)

    def heartbeat(self, at: datetime, progress: Progress) -> OutboundMessage:
        message = HeartbeatMessage(
            appliance=self._appliance,
            at=at,
            journal_sequence=progress.journal_sequence,
            slices_decoded=progress.slices_decoded,
            slabs_inferred=progress.slabs_inferred,
            series_open=progress.series_open,
            outbox_depth=progress.outbox_depth,
            last_outcome_age_s=progress.last_outcome_age_s,
            triton=progress.triton,
            modes=progress.modes,
            inference_wait_s=progress.inference_wait_s,
            quiet=progress.quiet,
            held=progress.held,
            messages_published=progress.messages_published,
            proven_page_age_s=progress.proven_page_age_s,
            canary=progress.canary,
            clock_synchronised=progress.clock_synchronised,
            clock_drift_s=round(progress.clock_drift_s, 3),
        )
        return OutboundMessage(
            key=f"{self._appliance}:heartbeat:{at.isoformat()}",
            topic=self._topics.heartbeat,
            payload=payload_of(message),
            content_type=CONTENT_TYPE,
            expiry_s=self._heartbeat_expiry_s,
        )

    def canary(self, verdict: Verdict) -> OutboundMessage:
        """For ops; it is published beside the outbox, which may be what failed."""
        return OutboundMessage(
            key=f"{self._appliance}:canary:{verdict.at.isoformat()}",
            topic=self._topics.notice,
            payload=payload_of(CanaryMessage.of(verdict, self._appliance)),
            content_type=CONTENT_TYPE,
            expiry_s=self._expiry_s,
        )


def summarise(message: OutboundMessage) -> MessageSummary:
    """Read back from the payload, so that it holds after a restart too.

    A preliminary alert has no last slice yet: more are on their way. A payload that another version
    wrote before an update is of kind `unreadable`; it is sent all the same.
    """
    try:
        words = ANY_MESSAGE.validate_json(message.payload)
    except ValidationError:
        return MessageSummary(kind="unreadable")
    if isinstance(words, AlertMessage | ResultMessage) and words.test:
        return MessageSummary(kind="test")
    if not isinstance(words, AlertMessage):
        return MessageSummary(kind=words.kind)
    if words.demoted:
        # Nobody who listens to the worklist is as bad as nobody who listens to pages.
        return MessageSummary(kind="worklist", alert=words.alert_id, status=words.status, counts=False)
    settled = words.status is not AlertStatus.PRELIMINARY
    return MessageSummary(
        kind=words.kind,
        alert=words.alert_id,
        status=words.status,
        counts=words.escalation is None and not words.held,
        first_slice_received_at=words.timings.first_slice_received_at,
        first_positive_slice_received_at=words.timings.first_positive_slice_received_at,
        last_slice_received_at=words.timings.last_slice_received_at if settled else None,
    )
