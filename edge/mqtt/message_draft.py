"""A message but for its sequence, which the outbox gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.domain.alert import Alert
from edge.mqtt.answer import CONTENT_TYPE
from edge.mqtt.message import AlertMessage, EdgeMessage, ResultMessage
from edge.mqtt.notice_message import NoticeMessage
from edge.mqtt.topics import Topic
from edge.ports import OutboundMessage


@dataclass(frozen=True, slots=True)
class MessageDraft:
    """Checked when it is made, not inside the outbox's transaction; only the sequence is missing."""

    key: str
    topic: Topic
    expiry_s: int
    response_topic: str | None
    message: AlertMessage | ResultMessage | NoticeMessage

    def encode(self, sequence: int) -> OutboundMessage:
        return OutboundMessage(
            key=self.key,
            topic=self.topic,
            payload=payload_of(self.message.model_copy(update={"sequence": sequence})),
            content_type=CONTENT_TYPE,
            expiry_s=self.expiry_s,
            response_topic=self.response_topic,
        )


@dataclass(frozen=True, slots=True)
class AlertMessageDraft(MessageDraft):
    """ports.AlertDraft; `redraft` makes the draft of the alert as it was routed."""

    message: AlertMessage
    redraft: Callable[[Alert], AlertMessageDraft]

    def routed(self, alert: Alert) -> AlertMessageDraft:
        return self.redraft(alert)

    def restated(self, payload: bytes, number: int) -> MessageDraft:
        """Raises pydantic's ValidationError for a payload of another version."""
        message = AlertMessage.model_validate_json(payload)
        key = f"{message.alert_id}:{message.status}:{message.revision}:{message.series_token}"
        amended = message.model_copy(update={"rings": False, "demoted": self.message.demoted, "held": ""})
        to = (self.topic, self.expiry_s, self.response_topic)
        return MessageDraft(f"{key}:restated:{number}", *to, amended)


def payload_of(message: EdgeMessage) -> bytes:
    """UTF-8 JSON."""
    return message.model_dump_json().encode("utf-8")
