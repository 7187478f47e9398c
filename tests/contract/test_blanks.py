"""Files made ahead: an instance written over one is the same instance, and a power cut loses none."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.domain.arrival import InstanceStored
from edge.domain.identity import AssociationId
from edge.ports import Reception
from edge.spool import blanks
from edge.spool.blanks import BLANK_BYTES
from edge.spool.inbox import Inbox, Recovery
from edge.spool.journal import InboxJournal
from tests.contract.spool_child import ROOT
from tests.contract.storing import CT, EXPLICIT, META, store
from tests.fakes.clock import FakeClock

COUNT = 16
HERE = AssociationId("here")


def opened(state_dir: Path, *, count: int = COUNT, joining: bool = False) -> Inbox:
    return Inbox(state_dir, min_free_bytes=0, clock=FakeClock(), blanks=count, joining=joining)


def ready(inbox: Inbox) -> Inbox:
    """Once all its blanks are made."""
    for _ in range(10_000):
        if len(inbox._blanks) >= COUNT:
            return inbox
        threading.Event().wait(0.005)
    raise AssertionError("no blanks")


def names(state_dir: Path, suffix: str) -> list[Path]:
    return sorted((state_dir / "inbox").rglob(f"*{suffix}"))


def kept(state_dir: Path) -> dict[str, bytes]:
    journal = InboxJournal(state_dir)
    entries = [e for e in journal.after(0, 1000) if isinstance(e, InstanceStored)]
    journal.close()
    return {e.instance.sop_instance_uid: (state_dir / e.instance.path).read_bytes() for e in entries}


@pytest.mark.parametrize("size", [1, 150_000, BLANK_BYTES - len(META), BLANK_BYTES, 3 * BLANK_BYTES])
def test_an_instance_of_any_size_over_a_blank_is_kept_byte_for_byte(tmp_path: Path, size: int) -> None:
    inbox = opened(tmp_path)
    inbox.recover()
    ready(inbox)
    before = set(names(tmp_path, ".part"))
    data_set = os.urandom(size)
    assert store(inbox, data_set) is Reception.STORED
    assert kept(tmp_path) == {"1.2.3": META + data_set}
    assert len(before - set(names(tmp_path, ".part"))) == 1
    inbox.close()
    assert names(tmp_path, ".part") == []


def test_a_blank_that_cannot_be_opened_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = opened(tmp_path)
    inbox.recover()
    ready(inbox)._blanks._stopping.set()
    real = os.open

    def too_many(path: Any, *arguments: Any) -> int:
        if str(path).endswith(".part"):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(path, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", too_many)
        with pytest.raises(OSError, match="Too many open files"):
            store(inbox, b"pixels")
    assert len(names(tmp_path, ".part")) == len(inbox._blanks) == COUNT - 1
    inbox.close()
    assert names(tmp_path, ".part") == []


def test_over_a_blank_only_the_bytes_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = opened(tmp_path)
    inbox.recover()
    ready(inbox)._blanks._stopping.set()  # no refill, whose syncs would be heard as well
    happened: list[str] = []

    def note(name: str, real: Callable[..., Any]) -> None:
        def noting(*arguments: Any) -> Any:
            happened.append(name)
            return real(*arguments)

        monkeypatch.setattr(os, name, noting)

    for name in ("fdatasync", "ftruncate", "rename", "fsync"):
        note(name, getattr(os, name))
    store(inbox, b"pixels")
    assert happened == ["fdatasync", "ftruncate", "rename"]
    inbox.close()


def test_without_a_blank_left_an_instance_is_kept_all_the_same(tmp_path: Path) -> None:
    inbox = opened(tmp_path)
    inbox.recover()
    ready(inbox)._blanks._stopping.set()
    for number in range(COUNT + 20):
        assert store(inbox, b"%d" % number, uid=f"1.2.{number}") is Reception.STORED
    assert kept(tmp_path) == {f"1.2.{n}": META + b"%d" % n for n in range(COUNT + 20)}
    inbox.close()


def test_blanks_are_made_again_when_what_was_written_at_once_is_done(tmp_path: Path) -> None:
    inbox = opened(tmp_path)
    inbox.recover()
    ready(inbox)
    several = [inbox.begin(HERE, CT, f"1.2.{n}", EXPLICIT, META) for n in range(3)]
    threading.Event().wait(0.05)
    assert len(inbox._blanks) == COUNT - 3
    several[0].abandon()
    for incoming in several[1:]:
        incoming.write(b"pixels")
        incoming.commit()
        incoming.abandon()
    assert inbox._blanks._writing == 0
    ready(inbox)
    inbox.close()


def test_none_are_made_while_instances_come_one_right_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = opened(tmp_path)
    inbox.recover()
    ready(inbox)
    monkeypatch.setattr(blanks, "_QUIET_S", 60.0)
    for number in range(3):
        store(inbox, b"pixels", uid=f"1.2.{number}")
    threading.Event().wait(0.2)
    assert len(inbox._blanks) == COUNT - 3
    monkeypatch.setattr(blanks, "_QUIET_S", 0.0)
    ready(inbox)
    inbox.close()


@pytest.mark.parametrize("first", ["receiver", "agent"])
def test_a_power_cut_takes_name_and_size_but_no_instance(tmp_path: Path, first: str) -> None:
    inbox = opened(tmp_path)
    inbox.recover()
    ready(inbox)
    store(inbox, b"pixels")
    inbox.close()
    (whole,) = names(tmp_path, ".dcm")
    # Neither is synced: what a power cut leaves is the blank with the instance at its front.
    part = whole.rename(whole.with_name(f"{whole.stem}.4711.part"))
    os.truncate(part, BLANK_BYTES)
    if first == "agent":
        journal = InboxJournal(tmp_path)
        journal.finish_parts()
        journal.close()
        assert kept(tmp_path) == {"1.2.3": META + b"pixels"}
    inbox = opened(tmp_path, count=0)
    assert inbox.recover() == Recovery(0, 0, 0)
    assert kept(tmp_path) == {"1.2.3": META + b"pixels"}
    inbox.close()


def test_halves_and_blanks_of_an_earlier_run_are_removed(tmp_path: Path) -> None:
    inbox = opened(tmp_path, count=0)
    shard = tmp_path / "inbox" / "ab"
    (shard / "ab1.4711.part").write_bytes(META + b"half")
    (shard / "ab2.4711.part").write_bytes(bytes(BLANK_BYTES))
    assert inbox.recover() == Recovery(1, 0, 0)
    assert names(tmp_path, ".part") == []
    inbox.close()


def test_with_a_journal_from_a_backup_a_part_may_be_all_there_is_of_an_instance(tmp_path: Path) -> None:
    inbox = opened(tmp_path, count=0)
    store(inbox, b"before", uid="1.2.1")
    inbox.close()
    backup = (tmp_path / "inbox.db").read_bytes()
    inbox = opened(tmp_path, count=0)
    store(inbox, b"after", uid="1.2.2")
    inbox.close()
    (tmp_path / "inbox.db").write_bytes(backup)
    (after,) = [path for path in names(tmp_path, ".dcm") if b"after" in path.read_bytes()]
    after.rename(after.with_name(f"{after.stem}.4711.part"))
    inbox = opened(tmp_path, count=0)
    assert inbox.recover() == Recovery(0, 1, 0, lost_entries=1)
    assert (tmp_path / "inbox" / "unjournaled" / after.name).read_bytes() == META + b"after"
    inbox.close()


BLANKS_AND_DEATH = """
import os, signal, sys, time
from pathlib import Path
from edge.clock import SystemClock
from edge.domain.identity import AssociationId
from edge.spool.inbox import Inbox
from tests.contract.storing import CT, EXPLICIT, META, store
inbox = Inbox(Path(sys.argv[1]), min_free_bytes=0, clock=SystemClock(), blanks=16, joining=True)
while len(inbox._blanks) < 16: time.sleep(0.01)
store(inbox, b"pixels")
inbox.begin(AssociationId("a"), CT, "1.2.4", EXPLICIT, META).write(b"half")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_dead_process_had_ready_is_removed_by_its_parent_and_nothing_else(tmp_path: Path) -> None:
    inbox = opened(tmp_path, count=0)
    inbox.recover()
    mine = inbox.begin(*("a", "1.2", "1.2.5", "1.2"), META)  # type: ignore[arg-type]
    command = [sys.executable, "-c", BLANKS_AND_DEATH, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT) as child:
        child.wait(60)
    # Two were taken; how many were made anew is a race.
    assert len(names(tmp_path, f".{child.pid}.part")) >= COUNT - 1
    inbox.process_ended(child.pid)
    assert len(names(tmp_path, ".part")) == 1
    mine.write(b"goes on")
    assert mine.commit() is Reception.STORED
    assert kept(tmp_path) == {"1.2.3": META + b"pixels", "1.2.5": META + b"goes on"}
    inbox.close()


def test_a_disk_near_its_floor_gets_no_blanks(tmp_path: Path) -> None:
    inbox = opened(tmp_path)
    floor = inbox.free_bytes() - (1 << 30)
    inbox.close()
    inbox = Inbox(tmp_path, min_free_bytes=floor, clock=FakeClock(), blanks=COUNT)
    inbox.recover()
    inbox._blanks._wanted.set()
    assert store(inbox, b"pixels") is Reception.STORED
    inbox.close()
    assert len(inbox._blanks) == 0
