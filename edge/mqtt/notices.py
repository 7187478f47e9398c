"""From a page as it is on the wire, or an alarm, to what another channel needs to tell it."""

from __future__ import annotations

from edge.domain.canary import Verdict
from edge.mqtt.drafts import AlertMessages
from edge.mqtt.message import AlertMessage
from edge.notice_ports import AlarmNotice, Notice
from edge.ports import OutboundMessage


def notice_of(said: OutboundMessage) -> Notice:
    """Raises pydantic's ValidationError for a message that is no alert of this version."""
    message = AlertMessage.model_validate_json(said.payload)
    return Notice(
        key=said.key,
        alert_id=message.alert_id,
        status=message.status,
        urgency=message.urgency,
        appliance=message.appliance,
        series_token=message.series_token,
        finding=message.finding.meaning,
        side=message.finding.side,
        probability=message.finding.probability,
        volume_ml=message.finding.volume_ml,
        scanner=message.scanner,
        degraded=message.degraded,
        first_slice_received_at=message.timings.first_slice_received_at,
        detected_at=message.timings.detected_at,
        payload=said.payload,
    )


def alarm_of(verdict: Verdict, messages: AlertMessages, appliance: str) -> AlarmNotice:
    """What staff need to know of a verdict of the canary."""
    said = messages.canary(verdict)
    return AlarmNotice(
        key=said.key,
        appliance=appliance,
        part=verdict.in_the_way,
        stage=verdict.stage,
        reason=verdict.reason,
        at=verdict.at,
        proven_at=verdict.proven_at,
        payload=said.payload,
    )
