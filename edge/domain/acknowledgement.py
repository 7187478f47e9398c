"""What comes back for a page: who has it, who looks at it, who is done with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from edge.domain.lifecycle import AlertEvent


class Answer(StrEnum):
    """DELIVERED is a pager speaking for itself, the others a human."""

    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


EVENT_OF = {
    Answer.DELIVERED: AlertEvent.PAGER_ANSWERED,
    Answer.ACKNOWLEDGED: AlertEvent.HUMAN_ACKNOWLEDGED,
    Answer.CLOSED: AlertEvent.HUMAN_CLOSED,
}


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """`message_key` is the page it answers; `role` and `name` are the site's words for who, never a patient.

    `at` is the pager's clock.
    """

    alert_id: str
    message_key: str
    answer: Answer
    role: str
    name: str
    at: datetime
