"""What keeping a site's quiet needs from ledger, state folder and wire; see ports.py for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from edge.domain.quiet import Quiet
from edge.ports import Draft, OutboundMessage


@dataclass(frozen=True, slots=True)
class Held:
    """A finding on the worklist that no human has taken: word `number` of the ledger, and its message.

    `demoted` is why it is there: a QuietKind, or the budget.
    """

    number: int
    alert_id: str
    finding: str
    demoted: str
    ae_title: str
    since: datetime
    said: OutboundMessage


class QuietRegister(Protocol):
    """The ledger's memory of quiet; every call is durable when it returns.

    `latest` has one word for every kind and scanner that ever had any. `say` returns False for an order
    and event it has already. `held` are in the order in which they were found. `release` lets one ring,
    `keep` leaves it to the worklist for good. `told_at` is when a message whose key begins with these words
    and a colon was last put into the outbox. `rang` counts by finding the alerts that rang since: those
    that the budget counts, or those that had been held back.
    """

    def latest(self) -> Sequence[Quiet]: ...
    def say(self, quiet: Quiet, notice: Draft | None) -> bool: ...
    def held(self) -> Sequence[Held]: ...
    def release(self, held: Held, page: Draft) -> None: ...
    def keep(self, held: Held, why: str) -> None: ...
    def tell(self, notice: Draft) -> None: ...
    def told_at(self, prefix: str) -> datetime | None: ...
    def rang(self, since: datetime, *, held_back: bool = False) -> Mapping[str, int]: ...


class QuietRequests(Protocol):
    """What people asked for at the command line; a request is read again until it is `done`."""

    def waiting(self) -> Sequence[Quiet]: ...
    def done(self, order: Quiet) -> None: ...


class Notices(Protocol):
    """Turns what the appliance has to say of its own ringing into drafts in the broker's words.

    `held` counts findings that no human has taken from the worklist.
    """

    def quiet_began(self, quiet: Quiet) -> Draft: ...
    def quiet_ended(self, quiet: Quiet, began: datetime, held: int) -> Draft: ...
    def budget_spent(self, finding: str, budget: int, held: int, at: datetime) -> Draft: ...
    def released(self, held: OutboundMessage, number: int) -> Draft: ...
