"""The judge of the crash ladder finds each kind of broken promise, shown to it on a real state folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from edge.domain.alert import AlertStatus
from edge.domain.identity import AssociationId
from edge.domain.outcome import OutcomeKind
from edge.ports import Receipt
from edge.spool.inbox import Inbox
from edge.spool.ledger import SqliteLedger
from tests.contract.receiving import data_set_bytes
from tests.contract.storing import META, store
from tests.fakes.clock import FakeClock
from tests.ladder.heads import FINDING, NO_BLOOD
from tests.ladder.record import Instance, Record, Series
from tests.ladder.verdict import Heard, judge, leftovers
from tests.statements import alert, alert_draft, outcome, result_draft

# File meta information as long as its group length says (PS3.10 7.1).
WHOLE_META = META[:132] + b"\x02\0\0\0UL\x04\0" + (0).to_bytes(4, "little")
AGENT = 4_000_000
REGION = Path(f"/dev/shm/edge_slab_{AGENT}_left")
BLED, BLOODLESS = "1.2.1", "1.2.2"


class Case:
    """Two series of two instances: one with blood and its page, one without."""

    def __init__(self, folder: Path) -> None:
        self.state_dir, self.temporary = folder / "state", folder / "tmp"
        self.temporary.mkdir()
        self.record, self.heard = Record(), Heard()
        with (
            closing(Inbox(self.state_dir, min_free_bytes=0, clock=FakeClock())) as inbox,
            closing(SqliteLedger(self.state_dir, clock=FakeClock())) as ledger,
        ):
            inbox.recover()
            inbox.association_opened(AssociationId("here"), "CT", "EDGE", "127.0.0.1")
            for first, uid, ends in ((1, BLED, FINDING), (3, BLOODLESS, NO_BLOOD)):
                self._series(folder, inbox, ledger, uid, ends, first)
            inbox.association_released(AssociationId("here"))
            said = alert(AlertStatus.CONFIRMED, series=BLED, revision=1)
            end = replace(
                outcome(BLED, 1), instances=2, series=replace(outcome(BLED, 1).series, predecessor=None)
            )
            ledger.conclude(end, 10, [(said, alert_draft(said))], result_draft(end))
            end = outcome(BLOODLESS, 1, kind=OutcomeKind.NO_FINDING)
            end = replace(end, instances=2, series=replace(end.series, predecessor=None))
            ledger.conclude(end, 10, [], result_draft(end))
            for pending in ledger.pending(100):
                ledger.published(pending.sequence, Receipt(0, subscribers=True), pending.enqueued_at)
        self.heard.pages[said.alert_id].add("key")

    def faults(self) -> list[str]:
        said = judge(self.state_dir, self.record, self.heard)
        return [*said.faults, *leftovers(self.state_dir, self.temporary, [AGENT])]

    def edit(self, database: str, statement: str) -> None:
        with closing(sqlite3.connect(self.state_dir / database)) as forger, forger:
            forger.execute(statement)

    def file_of(self, uid: str) -> Path:
        with closing(sqlite3.connect(self.state_dir / "inbox.db")) as reader:
            query = "SELECT path FROM entry WHERE kind = 'instance_stored' AND sop_instance_uid = ?"
            return self.state_dir / reader.execute(query, (uid,)).fetchone()[0]

    def _series(
        self,
        folder: Path,
        inbox: Inbox,
        ledger: SqliteLedger,
        uid: str,
        ends: frozenset[OutcomeKind],
        first: int,
    ) -> None:
        instances: list[Instance] = []
        for number in range(2):
            sop, sent = f"{uid}.{number}", folder / f"{uid}.{number}.dcm"
            sent.write_bytes(WHOLE_META + f"pixels {sop}".encode())
            instances.append(Instance.of(sop, sent))
        series = Series(uid, tuple(instances), ends)
        self.record.offer(series)
        for number, one in enumerate(series.instances):
            content = data_set_bytes(one.path.read_bytes())
            store(inbox, content, uid=one.uid, meta=WHOLE_META)
            ledger.remember_instance(first + 1 + number, uid)
            self.record.answered(one, 0)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_kept_promises_have_no_faults(case: Case) -> None:
    assert case.faults() == []
    figures = judge(case.state_dir, case.record, case.heard).figures
    assert (figures["acknowledged"], figures["lost"], figures["pages expected"]) == (4, 0, 1)
    assert (figures["pages received"], figures["ended finding"], figures["ended no_finding"]) == (1, 1, 1)


def _file_gone(case: Case) -> None:
    case.file_of(f"{BLED}.0").unlink()


def _file_changed(case: Case) -> None:
    path = case.file_of(f"{BLED}.0")
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def _row_gone(case: Case) -> None:
    case.edit("inbox.db", f"UPDATE entry SET sop_instance_uid = '9.9' WHERE sop_instance_uid = '{BLED}.0'")


def _other_bytes_acknowledged(case: Case) -> None:
    one = case.record.series[BLED].instances[0]
    case.record.answered(replace(one, sha256="00"), 0)


def _no_outcome(case: Case) -> None:
    case.edit("ledger.db", f"DELETE FROM outcome WHERE series_instance_uid = '{BLED}'")


def _late_slice_not_judged(case: Case) -> None:
    case.edit("ledger.db", f"UPDATE outcome SET through_sequence = 1 WHERE series_instance_uid = '{BLED}'")


def _revision_without_predecessor(case: Case) -> None:
    case.edit("ledger.db", f"UPDATE outcome SET revision = 2 WHERE series_instance_uid = '{BLED}'")


def _never_looked_at(case: Case) -> None:
    case.edit("ledger.db", "DELETE FROM instance_series WHERE sequence = 2")


def _negative_on_less(case: Case) -> None:
    case.edit("ledger.db", f"UPDATE outcome SET instances = 1 WHERE series_instance_uid = '{BLOODLESS}'")


def _negative_on_blood(case: Case) -> None:
    case.edit("ledger.db", f"UPDATE outcome SET kind = 'no_finding' WHERE series_instance_uid = '{BLED}'")


def _negative_on_spoilt(case: Case) -> None:
    case.record.spoil(BLOODLESS)


def _page_not_received(case: Case) -> None:
    case.heard.pages.clear()


def _page_from_nowhere(case: Case) -> None:
    case.heard.pages["a2"].add("key")


def _second_id(case: Case) -> None:
    columns = (
        "series_instance_uid, revision, outbox_key, finding, timings, model_name, model_version, "
        "model_digest, degraded, finding_key, urgency, route, demoted, test, raised_at, ae_title"
    )
    case.edit(
        "ledger.db",
        f"INSERT INTO alert (alert_id, status, {columns}) SELECT 'a2', status, {columns} FROM alert",
    )
    case.heard.pages["a2"].add("key")


def _no_alert(case: Case) -> None:
    case.edit("ledger.db", "DELETE FROM alert")
    case.heard.pages.clear()


def _routed_elsewhere(case: Case) -> None:
    case.edit("ledger.db", "UPDATE alert SET route = 'worklist'")


def _file_of_nobody(case: Case) -> None:
    (case.state_dir / "inbox" / "00" / "left.part").write_bytes(b"")


def _temporary_file(case: Case) -> None:
    (case.temporary / "left").write_bytes(b"")


def _association_left_open(case: Case) -> None:
    case.edit("inbox.db", "DELETE FROM entry WHERE kind = 'association_released'")


def _message_left(case: Case) -> None:
    case.edit("ledger.db", "UPDATE outbox SET published_at = NULL WHERE sequence = 1")


def _region_left(_: Case) -> None:
    REGION.write_bytes(b"")


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (_file_gone, "lost 1.2.1.0: "),
        (_file_changed, "lost 1.2.1.0: the journal says"),
        (_file_changed, "lost 1.2.1.0: answered 0x0000 for ['"),
        (_row_gone, "lost 1.2.1.0: answered 0x0000, not in the journal"),
        (_other_bytes_acknowledged, "lost 1.2.1.0: answered 0x0000 for ['00'"),
        (_no_outcome, "undecided 1.2.1: no outcome"),
        (_late_slice_not_judged, "undecided 1.2.1: ended through 1, but 3 arrived"),
        (_revision_without_predecessor, "undecided 1.2.1: revision 2 names None"),
        (_never_looked_at, "undecided 1.2.1.0: stored and never looked at"),
        (_negative_on_less, "negative on 1 instances of 1.2.2, revision 1"),
        (_negative_on_blood, "1.2.1 ended as no_finding"),
        (_negative_on_spoilt, "negative on 1.2.2, of which other bytes came"),
        (_page_not_received, "unpaged a1: raised, never received"),
        (_page_from_nowhere, "paged a2, which the ledger does not know"),
        (_second_id, "under 2 ids"),
        (_no_alert, "unpaged 1.2.1: blood in it, and no pager rang"),
        (_routed_elsewhere, "unpaged 1.2.1: blood in it, and no pager rang"),
        (_page_not_received, "unpaged 1.2.1: blood in it, and no pager rang"),
        (_file_of_nobody, "orphan left.part of the inbox"),
        (_temporary_file, "orphan left in the folder for temporary files"),
        (_association_left_open, "orphan: 1 associations open"),
        (_message_left, "orphan: message "),
        (_region_left, "orphan /dev/shm/edge_slab_4000000_left"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_each_broken_promise_is_found(case: Case, harm: Callable[[Case], None], fault: str) -> None:
    harm(case)
    try:
        found = case.faults()
    finally:
        REGION.unlink(missing_ok=True)
    assert any(fault in one for one in found), found
