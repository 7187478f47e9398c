"""Where an agent takes up the journal that has nothing in it yet: heartbeats must go out from the start."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from edge.journal_port import Journal
from edge.mqtt.drafts import AlertMessages, Progress
from edge.ports import Ledger
from edge.recovery import Recovery
from edge.settings import Settings
from edge.spool.inbox import Inbox
from edge.spool.journal import InboxJournal
from edge.spool.ledger import SqliteLedger
from tests.fakes.clock import START, FakeClock
from tests.fakes.ledger import FakeJournal, FakeLedger


@pytest.mark.parametrize("real", [False, True], ids=["fake", "real"])
def test_an_appliance_that_has_seen_nothing_begins_before_the_first_entry(tmp_path: Path, real: bool) -> None:
    if not real:
        _begins_at_the_first(FakeJournal(), FakeLedger(clock=FakeClock()))
        return
    with (
        closing(Inbox(tmp_path, min_free_bytes=0, clock=FakeClock())),
        closing(SqliteLedger(tmp_path, clock=FakeClock())) as ledger,
        closing(InboxJournal(tmp_path)) as journal,
    ):
        _begins_at_the_first(journal, ledger)


def _begins_at_the_first(journal: Journal, ledger: Ledger) -> None:
    begin = Recovery.of(journal, ledger).begin
    assert begin == 1
    progress = Progress(begin - 1, 0, 0, 0, 0, None, "serving")
    assert AlertMessages(Settings()).heartbeat(START, progress).payload
