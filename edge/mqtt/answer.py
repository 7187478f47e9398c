"""The words that come back for a page, to the response topic and with the page's correlation data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.domain.acknowledgement import Acknowledgement, Answer
from edge.errors import RejectInput, where
from edge.mqtt.words import UtcTime, Words

CONTENT_TYPE = "application/json"
# Whoever it is, in the site's own words: long enough for a role or a badge token, no room for a story.
WHO = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"


class AckMessage(Words):
    """An answer to an alert. Any repetition is harmless; only a human acknowledges or closes."""

    schema_version: Literal["1.0"] = Field(default="1.0", description="Version of this schema.")
    kind: Literal["ack"] = "ack"
    alert_id: str = Field(min_length=1, max_length=64, description="alert_id of the page.")
    answer: Answer = Field(
        description="delivered: the pager shows it (sent by the pager itself). acknowledged: a human looks "
        "at it. closed: a human is done with it."
    )
    role: str = Field(pattern=WHO, description="Role that answers, as in the site's escalation plan.")
    name: str = Field(pattern=WHO, description="Token for the person or device; never a patient's data.")
    at: UtcTime = Field(description="When, by the pager's clock.")

    def acknowledgement(self, message_key: str) -> Acknowledgement:
        """With the correlation data it came with."""
        return Acknowledgement(self.alert_id, message_key, self.answer, self.role, self.name, self.at)

    @classmethod
    def of(cls, said: Acknowledgement) -> AckMessage:
        return cls(alert_id=said.alert_id, answer=said.answer, role=said.role, name=said.name, at=said.at)


def read_answer(payload: bytes, message_key: str) -> Acknowledgement:
    """Raises RejectInput, and nothing else, for bytes that are no answer: anybody may have sent them."""
    try:
        return AckMessage.model_validate_json(payload).acknowledgement(message_key)
    except Exception as error:  # the parser's own bugs too: what it cannot read today it cannot read again
        raise RejectInput("unreadable", where(error)) from error
