"""Several processes of one receiver write the same journal: by turns, one series of numbers, one first."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from xxhash import xxh3_128

from edge.domain.arrival import AssociationAborted, AssociationOpened, DuplicateReceived, InstanceStored
from edge.domain.identity import AssociationId
from edge.ports import Reception
from edge.spool.group_commit import GroupCommit
from edge.spool.inbox import Inbox
from edge.spool.journal import InboxJournal
from tests.contract.spool_child import ROOT
from tests.contract.storing import store
from tests.fakes.clock import FakeClock

JOINING = """
import hashlib, sys, threading
from pathlib import Path
from edge.clock import SystemClock
from edge.domain.identity import AssociationId
from edge.spool.inbox import Inbox
from tests.contract.storing import store

inbox = Inbox(Path(sys.argv[1]), min_free_bytes=0, clock=SystemClock(), joining=True)
def association(number):
    name = f"{sys.argv[2]}-{number}"
    inbox.association_opened(AssociationId(name), "CT", "EDGE", "127.0.0.1")
    for index in range(20):
        store(inbox, f"{name} {index}".encode(), uid=f"1.{sys.argv[2]}.{number}.{index}", association=name)
        store(inbox, f"shared {index}".encode(), uid=f"2.{index}", association=name)
threads = [threading.Thread(target=association, args=(n,)) for n in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("stored", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    box = Inbox(tmp_path, min_free_bytes=0, clock=FakeClock())
    box.recover()
    yield box
    box.close()


def test_processes_share_one_journal_and_a_dead_one_leaves_nothing_open(inbox: Inbox, tmp_path: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", JOINING, str(tmp_path), str(number)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(3)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == b"stored\n"
    children[0].kill()
    for child in children:
        child.communicate()
    journal = InboxJournal(tmp_path)
    entries = journal.after(0, 10_000)
    assert [e.sequence for e in entries] == list(range(1, len(entries) + 1))
    stored = [e for e in entries if isinstance(e, InstanceStored)]
    assert Counter(e.instance.sop_instance_uid for e in stored).most_common(1)[0][1] == 1
    assert len(stored) == 3 * 3 * 20 + 20
    assert sum(isinstance(e, DuplicateReceived) for e in entries) == 8 * 20
    for entry in stored:
        written = journal.instance_path(entry.instance).read_bytes()
        assert xxh3_128(written.partition(b"sender A")[2]).hexdigest() == entry.instance.digest
    assert inbox.process_ended(children[0].pid) == 3
    assert inbox.process_ended(children[0].pid) == 0
    ended = [e for e in journal.after(entries[-1].sequence, 10) if isinstance(e, AssociationAborted)]
    opened = {e.association_id for e in entries if isinstance(e, AssociationOpened)}
    assert {e.association_id for e in ended} == {name for name in opened if name.startswith("0-")}
    assert {e.reason for e in ended} == {"receiver_process_ended"}
    journal.close()


def test_what_one_process_can_no_longer_write_no_other_goes_on_writing(inbox: Inbox, tmp_path: Path) -> None:
    other = Inbox(tmp_path, min_free_bytes=0, clock=FakeClock(), joining=True)
    assert store(other, b"pixels") is Reception.STORED
    inbox._entries._writer._fail()
    for each in (inbox, other):
        with pytest.raises(OSError, match="restart"):
            each.check()
        with pytest.raises(OSError, match="restart"):
            store(each, b"pixels", uid="1.2.4")
    other.close()
    again = Inbox(tmp_path, min_free_bytes=0, clock=FakeClock())
    again.recover()
    assert store(again, b"pixels", uid="1.2.4") is Reception.STORED
    again.close()


def test_the_log_has_its_full_size_before_the_first_association(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, min_free_bytes=0, clock=FakeClock(), durable=False)
    inbox.recover()
    log = tmp_path / "inbox.db-wal"
    full = log.stat().st_size
    assert full > 5 << 20
    for number in range(300):
        inbox.association_opened(AssociationId(str(number)), "CT", "EDGE", "127.0.0.1")
        inbox.association_released(AssociationId(str(number)))
    assert log.stat().st_size == full
    inbox.close()


class Together:
    """A group over a database in memory whose first commit waits until all others have come."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self.connection.execute("CREATE TABLE number (n INTEGER PRIMARY KEY)")
        self.commits = 0
        self.started, self.go_on = threading.Event(), threading.Event()
        self.group = GroupCommit(lambda: self)

    def __enter__(self) -> sqlite3.Connection:
        self.connection.execute("BEGIN")
        return self.connection

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.started.set()
        assert self.go_on.wait(10)
        self.connection.execute("COMMIT" if kind is None else "ROLLBACK")
        self.commits += kind is None

    def numbers(self) -> list[int]:
        return [row[0] for row in self.connection.execute("SELECT n FROM number ORDER BY n")]

    def add(self, *numbers: int) -> list[object]:
        """The first alone, the others while it commits; what each thread got, an exception included."""
        said: dict[int, object] = {}

        query = "INSERT INTO number VALUES (?)"

        def insert(number: int) -> Callable[[sqlite3.Connection], int]:
            return lambda connection: connection.execute(query, (abs(number),)).rowcount

        def run(place: int, number: int) -> None:
            try:
                said[place] = self.group.run(insert(number))
            except Exception as error:  # noqa: BLE001 - what it is is asserted
                said[place] = type(error)

        threads = [threading.Thread(target=run, args=(p, n)) for p, n in enumerate(numbers)]
        threads[0].start()
        assert self.started.wait(10)
        for thread in threads[1:]:
            thread.start()
        while len(self.group._waiting) < len(numbers) - 1:
            threading.Event().wait(0.001)
        self.go_on.set()
        for thread in threads:
            thread.join()
        return [said[place] for place in range(len(numbers))]


def test_whoever_comes_during_a_commit_shares_the_next() -> None:
    together = Together()
    assert together.add(1, 2, 3, 4, 5) == [1] * 5
    assert together.numbers() == [1, 2, 3, 4, 5]
    assert together.commits == 2


def test_a_contradiction_is_the_failure_of_its_own_thread_alone() -> None:
    together = Together()
    assert together.add(1, 2, -1, 3) == [1, 1, sqlite3.IntegrityError, 1]
    assert together.numbers() == [1, 2, 3]


def test_a_failed_commit_is_said_to_all_who_waited_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    together = Together()
    monkeypatch.setattr(Together, "__enter__", lambda _: (_ for _ in ()).throw(OSError(5, "gone")))
    together.started.set()
    together.go_on.set()
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            together.group.run(lambda connection: connection.execute("SELECT 1"))
    assert together.numbers() == []
