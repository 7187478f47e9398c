"""From quiet, budgets and held findings to drafts of what pagers and worklists are told."""

from __future__ import annotations

from datetime import datetime

from edge.domain.quiet import Quiet, QuietKind
from edge.mqtt.message import AlertMessage
from edge.mqtt.message_draft import MessageDraft
from edge.mqtt.notice_message import NoticeMessage, QuietWords
from edge.mqtt.topics import Topics
from edge.ports import OutboundMessage
from edge.quiet_ports import HeldBack
from edge.settings import Settings

# Old news of quiet helps nobody; what is in force now is in the retained status.
NOTICE_EXPIRY_S = 3600


class NoticeMessages:
    """Implements quiet_ports.Notices."""

    def __init__(self, settings: Settings) -> None:
        self._topics = Topics.of(settings)
        self._appliance = settings.appliance.name
        self._aliases = settings.appliance.scanners
        rules = settings.alerting.rules
        self._limited = any((rules.budget, *rules.budgets.values()))

    def words(self, quiet: Quiet) -> QuietWords:
        """For status and notices; the site's reason stays on the appliance."""
        alias = self._aliases.get(quiet.scanner, quiet.scanner)
        return QuietWords(kind=quiet.kind, scanner=alias, since=quiet.at, until=quiet.until)

    def quiet_began(self, quiet: Quiet) -> MessageDraft:
        words = self.words(quiet)
        where = "with the test pager" if quiet.kind is QuietKind.TEST else "on the worklist"
        ring = "the newest ring then, as many as the budget allows" if self._limited else "they ring then"
        text = (
            f"{_named(words)}: findings are held back until {quiet.until:%Y-%m-%d %H:%M} UTC. "
            f"They are {where}; those that no human has taken by then are not lost: {ring}."
        )
        return self._draft(
            f"notice:{quiet.order_id}:{quiet.event}",
            NoticeMessage(
                appliance=self._appliance, sequence=1, what="quiet_began", at=quiet.at, quiet=words, text=text
            ),
        )

    def quiet_ended(self, quiet: Quiet, began: datetime, held: HeldBack) -> MessageDraft:
        words = self.words(quiet).model_copy(update={"since": began})
        return self._draft(
            f"notice:{quiet.order_id}:{quiet.event}",
            NoticeMessage(
                appliance=self._appliance,
                sequence=1,
                what="quiet_ended",
                at=quiet.at,
                quiet=words,
                held=held.findings,
                rings=held.rings,
                text=f"{_named(words)} is over: {_told(held)}.",
            ),
        )

    def budget_spent(self, finding: str, budget: int, held: int, at: datetime) -> MessageDraft:
        text = (
            f"{budget} alerts of {finding} rang within an hour: more of them go to the worklist. Look there."
        )
        return self._draft(
            f"{budget_key(finding)}:{at.isoformat()}",
            NoticeMessage(
                appliance=self._appliance,
                sequence=1,
                what="budget_spent",
                at=at,
                finding=finding,
                held=held,
                budget=budget,
                text=text,
            ),
        )

    def released(self, held: OutboundMessage, number: int) -> MessageDraft:
        """The page of a finding that was held back."""
        message = AlertMessage.model_validate_json(held.payload)
        return MessageDraft(
            key=f"{held.key}:released:{number}",
            topic=self._topics.alert(message.urgency),
            expiry_s=held.expiry_s,
            response_topic=held.response_topic,
            message=message.model_copy(update={"demoted": "", "held": message.demoted, "rings": True}),
        )

    def to_worklist(self, held: OutboundMessage, number: int, why: str) -> MessageDraft:
        """A finding that a tester alone was shown, for whoever looks after the worklist."""
        message = AlertMessage.model_validate_json(held.payload)
        return MessageDraft(
            key=f"{held.key}:worklist:{number}",
            topic=self._topics.worklist,
            expiry_s=held.expiry_s,
            response_topic=held.response_topic,
            message=message.model_copy(update={"demoted": why, "held": message.demoted, "rings": False}),
        )

    def _draft(self, key: str, message: NoticeMessage) -> MessageDraft:
        return MessageDraft(key, self._topics.notice, NOTICE_EXPIRY_S, None, message)


def budget_key(finding: str) -> str:
    """What the keys of all notices of a finding's budget begin with."""
    return f"notice:budget:{finding}"


def _named(words: QuietWords) -> str:
    return f"mute of {words.scanner}" if words.kind is QuietKind.MUTE else words.kind.value


def _told(held: HeldBack) -> str:
    if not held.findings:
        return "it held nothing back that no human has taken"
    parts = [
        f"{held.rings} of them ring now" if held.rings else "",
        f"{held.beyond_budget} are beyond the budget and ring nobody: look at the worklist"
        if held.beyond_budget
        else "",
        f"{held.waiting} are held back by something else still" if held.waiting else "",
    ]
    return f"findings it held back: {held.findings}; " + ", ".join(part for part in parts if part)
