"""`edge ledger` and `edge show` on a real state folder, the way a person calls them."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from edge.cli import main
from edge.domain.alert import AlertStatus
from edge.domain.evidence import nothing_found
from edge.domain.identity import AssociationId, token
from edge.spool.identity_key import appliance_key
from edge.spool.inbox import Inbox
from edge.spool.ledger import SqliteLedger
from edge.spool.lock import exclusive
from edge.spool.restoring import REPLACED
from tests.builders import BLEED, evidence, uid
from tests.contract.storing import store
from tests.contract.test_trail import a_day
from tests.fakes.clock import FakeClock
from tests.statements import alert, alert_draft, outcome, result_draft

Edge = Callable[..., tuple[int, str, str]]


@pytest.fixture
def edge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Edge:
    monkeypatch.setenv("EDGE_APPLIANCE__STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def work(state_dir: Path, *series: str) -> None:
    with closing(SqliteLedger(state_dir, clock=FakeClock())) as ledger:
        for uid in series:
            ledger.conclude(outcome(uid), 1, [], result_draft(outcome(uid)))


def test_verify_says_intact_or_the_first_fault(edge: Edge, tmp_path: Path) -> None:
    a_day(tmp_path / "state")
    code, said, _ = edge("ledger", "verify")
    assert (code, said.split(", head")[0]) == (0, "intact, 11 links")
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.db")) as forger, forger:
        forger.execute("UPDATE outcome SET kind = 'no_finding' WHERE series_instance_uid = '1.4'")
    code, said, _ = edge("ledger", "verify")
    assert code == 1
    assert said.startswith("BROKEN after 11 links: link 10 is about outcome")


def test_without_a_ledger_every_action_says_so(edge: Edge, tmp_path: Path) -> None:
    for words in (("verify",), ("backup", "copy"), ("export",)):
        code, said, trouble = edge("ledger", *words)
        assert (code, said) == (78, "")
        assert "there is no ledger of this version" in trouble
    assert edge("show", "1.2.3")[0] == 78
    assert edge("ledger", "restore", "nowhere")[0] == 78


def test_a_backup_under_load_is_one_moment_and_restores_to_it(edge: Edge, tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    ledger, stop = SqliteLedger(state_dir, clock=FakeClock()), threading.Event()

    def conclude() -> None:
        for number in range(100_000):
            if stop.is_set():
                return
            end = outcome(f"1.2.{number}")
            ledger.conclude(end, number, [], result_draft(end))

    writing = threading.Thread(target=conclude)
    writing.start()
    try:
        while len(ledger.conclusions()) < 20:
            pass
        for number in range(3):
            assert edge("ledger", "backup", f"copy{number}.db")[0] == 0
    finally:
        stop.set()
        writing.join()
        ledger.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy0.db", "copy1.db", "copy2.db", "state"]
    assert (tmp_path / "copy2.db").stat().st_mode & 0o777 == 0o600
    code, _, trouble = edge("ledger", "restore", "copy2.db")
    assert (code, "is an older copy" in trouble) == (78, True)
    assert not (state_dir / REPLACED).exists()
    assert edge("ledger", "restore", "copy2.db", "--accept-older")[0] == 0
    with closing(SqliteLedger(state_dir, clock=FakeClock())) as restored:
        ends = {c.outcome_id for c in restored.conclusions().values()}
        assert ends == {m.message.key for m in restored.pending(100_000)}
        assert len(ends) >= 20
    code, said, _ = edge("ledger", "verify")
    assert code == 0, said
    assert "ledger_accepted" in edge("ledger", "export")[1]


def test_the_latest_backup_is_taken_without_a_question(edge: Edge, tmp_path: Path) -> None:
    work(tmp_path / "state", "1.2", "1.3")
    assert edge("ledger", "backup", "copy.db")[0] == 0
    assert edge("ledger", "restore", "copy.db")[0] == 0
    work(tmp_path / "state", "1.4")
    assert edge("ledger", "verify")[0] == 0


@pytest.mark.parametrize("damage", ["changed", "other key", "no ledger", "no database"])
def test_a_copy_that_is_not_ours_is_refused_and_nothing_is_changed(
    edge: Edge, tmp_path: Path, damage: str
) -> None:
    state_dir, copy = tmp_path / "state", tmp_path / "copy.db"
    work(state_dir, "1.2")
    edge("ledger", "backup", str(copy))
    if damage == "changed":
        with closing(sqlite3.connect(copy)) as forger, forger:
            forger.execute("UPDATE outcome SET kind = 'no_finding'")
    elif damage == "other key":
        (state_dir / "identity.key").write_bytes(bytes(32))
    elif damage == "no ledger":
        copy.unlink()
        sqlite3.connect(copy).close()
    else:
        copy.write_bytes(b"not a database" * 100)
    before = {p: p.read_bytes() for p in state_dir.iterdir() if p.suffix == ".db"}
    assert edge("ledger", "restore", "copy.db")[0] == 78
    assert {p: p.read_bytes() for p in state_dir.iterdir() if p.suffix == ".db"} == before


def test_a_restore_waits_for_the_agent_to_stop(edge: Edge, tmp_path: Path) -> None:
    work(tmp_path / "state", "1.2")
    edge("ledger", "backup", "copy.db")
    with exclusive(tmp_path / "state", "agent"):
        code, _, trouble = edge("ledger", "restore", "copy.db")
    assert (code, "another agent" in trouble) == (78, True)


def test_a_backup_that_cannot_be_written_leaves_nothing(edge: Edge, tmp_path: Path) -> None:
    work(tmp_path / "state", "1.2")
    code, _, trouble = edge("ledger", "backup", "nowhere/copy.db")
    assert (code, "cannot write nowhere/copy.db" in trouble) == (78, True)


def test_export_has_every_row_and_since_only_the_later(edge: Edge, tmp_path: Path) -> None:
    a_day(tmp_path / "state")
    told = [json.loads(line) for line in edge("ledger", "export")[1].splitlines()]
    assert [line["number"] for line in told] == list(range(1, 12))
    assert {len(line["link"]) for line in told} == {64}
    assert edge("ledger", "export", "--since", "2999-01-01")[1] == ""
    with pytest.raises(SystemExit) as refused:
        edge("ledger", "export", "--since", "yesterday")
    assert refused.value.code == 2


def test_show_tells_what_arrived_and_what_was_said_without_identifiers(edge: Edge, tmp_path: Path) -> None:
    state_dir, clock = tmp_path / "state", FakeClock()
    inbox = Inbox(state_dir, min_free_bytes=0, clock=clock)
    inbox.association_opened(AssociationId("a"), "CT_ER", "EDGE", "127.0.0.1")
    for number in (1, 2, 1):
        store(inbox, b"pixels", uid=f"1.2.3.{number}", association="a")
        clock.advance(1)
    inbox.association_released(AssociationId("a"))
    inbox.close()
    with closing(SqliteLedger(state_dir, clock=clock)) as ledger:
        ledger.remember_instance(2, "1.2.3")
        ledger.remember_instance(3, "1.2.3")
        unfinished = edge("show", "1.2.3")
        ledger.conclude(outcome(), 5, [], None)
    assert unfinished[0] == 0
    assert "study not known yet" in unfinished[1]
    # The tests' tokens are made up: the arrivals are under the real one, the outcome under the other.
    real = token(appliance_key(state_dir), "series", "1.2.3")
    code, said, _ = edge("show", real)
    assert code == 0
    assert "+0.000 s  first instance stored, from CT_ER" in said
    assert "+1.000 s  last of 2 instances stored" in said
    assert "+2.000 s  first instance came again" in said
    assert "+3.000 s  association released" in said
    assert "outcome finding, reason released" in edge("show", "5e71e5")[1]
    assert edge("show", "57d9")[1] == edge("show", "acce55")[1] == edge("show", "5e71e5")[1]
    assert "1.2.3" not in said
    assert "Series Instance UID 1.2.3\n" in edge("show", real, "--identifiers")[1]
    assert edge("show", "9.9.9")[0] == 65


def test_show_tells_where_a_finding_lies(edge: Edge, tmp_path: Path) -> None:
    left = replace(
        alert(AlertStatus.RETRACTED, revision=1), finding=nothing_found(BLEED, {uid(1): evidence(1, 0.2)})
    )
    with closing(SqliteLedger(tmp_path / "state", clock=FakeClock())) as ledger:
        ledger.alert(alert(), alert_draft(alert()))
        ledger.conclude(outcome(), 5, [], None)
        ledger.alert(left, alert_draft(left))
    real = token(appliance_key(tmp_path / "state"), "series", "1.2.3")
    page, taken_back = (edge("show", real)[1].split(said)[1] for said in ("preliminary", "retracted"))
    (end,) = edge("show", "5e71e5")[1].split("outcome finding")[1:]
    where = "3 slices (5 to 7 of 36 from the feet), largest 6 with 310 mm2\n"
    for told in (page, end):
        assert told.splitlines(keepends=True)[1].endswith(
            f"bleed left: page point, p 0.93, 11.5 mL on {where}"
        )
    assert taken_back.splitlines()[1].endswith("  bleed: nothing passed, highest p 0.20")


def test_show_reads_findings_of_an_older_version(edge: Edge, tmp_path: Path) -> None:
    work(tmp_path / "state", "1.2.3")
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.db")) as older, older:
        older.execute("UPDATE outcome SET findings = json_remove(findings, '$[0].side', '$[0].run')")
    assert "  bleed: page point, p 0.93, 11.5 mL on 3 slices\n" in edge("show", "5e71e5")[1]
