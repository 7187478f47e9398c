"""ports.Incoming on real files: fragment by fragment, kept as a whole or not at all."""

from __future__ import annotations

import errno
import os
import random
import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from edge.domain.arrival import InstanceStored
from edge.domain.identity import AssociationId
from edge.errors import InboxFull, ShedLoad
from edge.ports import Incoming, InstanceStore, Reception
from edge.spool.inbox import Inbox
from edge.spool.journal import InboxJournal
from tests.contract.storing import CT, EXPLICIT, META, store
from tests.fakes.clock import FakeClock

_MIB = 1 << 20


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    box = Inbox(tmp_path, min_free_bytes=0, clock=FakeClock())
    yield box
    box.close()


def begun(inbox: InstanceStore, uid: str = "1.2.3") -> Incoming:
    return inbox.begin(AssociationId("here"), CT, uid, EXPLICIT, META)


def stored(state_dir: Path) -> list[InstanceStored]:
    journal = InboxJournal(state_dir)
    found = [e for e in journal.after(0, 1000) if isinstance(e, InstanceStored)]
    journal.close()
    return found


def files(state_dir: Path) -> list[Path]:
    return [path for path in (state_dir / "inbox").rglob("*") if path.is_file()]


def test_however_it_is_cut_it_is_the_same_instance(inbox: Inbox, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    dice = random.Random(seed)
    data_set = dice.randbytes(100_000)
    for number in range(5):
        cuts = [0, *sorted(dice.sample(range(1, 100_000), dice.randrange(40))), 100_000]
        incoming = begun(inbox, f"1.2.{number}")
        for start, end in pairwise(cuts):
            incoming.write(memoryview(data_set)[start:end])
        assert incoming.commit() is Reception.STORED
    kept = [entry.instance for entry in stored(tmp_path)]
    assert {i.digest for i in kept} == {kept[0].digest}
    assert {(tmp_path / i.path).read_bytes() for i in kept} == {META + data_set}
    assert store(inbox, data_set, uid="1.2.0") is Reception.DUPLICATE


def test_a_fragment_is_in_the_file_at_once_and_no_longer_in_memory(inbox: Inbox, tmp_path: Path) -> None:
    fragment = memoryview(os.urandom(_MIB))
    incoming = begun(inbox)
    tracemalloc.start()
    for number in range(1, 65):
        incoming.write(fragment)
        (path,) = files(tmp_path)
        assert path.stat().st_size == len(META) + number * _MIB
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert incoming.commit() is Reception.STORED
    assert peak < _MIB / 2
    assert stored(tmp_path)[0].instance.size_bytes == len(META) + 64 * _MIB


def test_what_is_abandoned_leaves_nothing(inbox: Inbox, tmp_path: Path) -> None:
    incoming = begun(inbox)
    incoming.write(b"half of the pix")
    for _ in range(2):
        incoming.abandon()
        assert files(tmp_path) == []
    assert stored(tmp_path) == []
    assert store(inbox, b"pixels") is Reception.STORED


def test_to_abandon_what_is_kept_changes_nothing(inbox: Inbox, tmp_path: Path) -> None:
    incoming = begun(inbox)
    incoming.write(b"pixels")
    assert incoming.commit() is Reception.STORED
    incoming.abandon()
    (entry,) = stored(tmp_path)
    assert (tmp_path / entry.instance.path).read_bytes() == META + b"pixels"


def test_descriptors_are_given_back(inbox: Inbox) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    store(inbox, b"pixels")
    before = open_files()
    for number in range(5):
        store(inbox, b"pixels", uid=f"1.2.{number}")
        begun(inbox, f"1.3.{number}").abandon()
        repeat = begun(inbox, f"1.2.{number}")
        repeat.write(b"other")
        repeat.commit()
    assert open_files() == before


def test_a_disk_that_fills_up_under_an_instance_is_said_while_it_comes(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    incoming = begun(inbox)
    incoming.write(b"pixels")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(InboxFull):
            incoming.write(b"pixels")
    incoming.abandon()
    assert files(tmp_path) == []


def test_a_repeat_is_not_written_again(inbox: Inbox, tmp_path: Path) -> None:
    store(inbox, b"pixels")
    before = files(tmp_path)
    repeat = begun(inbox)
    repeat.write(b"pix")
    assert files(tmp_path) == before
    repeat.write(b"els")
    assert repeat.commit() is Reception.DUPLICATE


def test_a_repeat_whose_first_goes_away_meanwhile_is_refused(inbox: Inbox, tmp_path: Path) -> None:
    store(inbox, b"pixels")
    repeat = begun(inbox)
    repeat.write(b"pixels")
    (path,) = files(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        repeat.commit()
    repeat.abandon()
    assert store(inbox, b"pixels") is Reception.DUPLICATE
    assert path.read_bytes() == META + b"pixels"


@pytest.mark.parametrize("meta", [META[:-6], META + b" and of B"], ids=["shorter", "longer"])
def test_a_repeat_that_is_kept_again_has_the_size_that_its_row_says(
    inbox: Inbox, tmp_path: Path, meta: bytes
) -> None:
    store(inbox, b"pixels")
    (path,) = files(tmp_path)
    path.unlink()
    assert store(inbox, b"pixels", meta=meta) is Reception.DUPLICATE
    (entry,) = stored(tmp_path)
    assert path.read_bytes() == meta + b"pixels"
    assert entry.instance.size_bytes == len(meta) + 6
    assert store(inbox, b"pixels") is Reception.DUPLICATE
    assert path.read_bytes() == meta + b"pixels"


def test_what_a_crash_left_before_the_row_of_a_repeat_is_kept_again(inbox: Inbox, tmp_path: Path) -> None:
    store(inbox, b"pixels")
    (path,) = files(tmp_path)
    path.write_bytes(b"of another sender, or half of it")
    assert store(inbox, b"pixels") is Reception.DUPLICATE
    assert path.read_bytes() == META + b"pixels"


def test_a_repeat_that_finds_no_room_for_its_row_leaves_one_to_the_next(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(inbox, b"pixels")
    (path,) = files(tmp_path)
    path.unlink()
    write = inbox._entries.write

    def full(work: Callable[[sqlite3.Connection], object]) -> None:
        def rolled_back(connection: sqlite3.Connection) -> None:
            work(connection)
            raise ShedLoad

        write(rolled_back)

    with monkeypatch.context() as patched:
        patched.setattr(inbox._entries, "write", full)
        with pytest.raises(InboxFull):
            store(inbox, b"pixels", meta=META + b" and of B")
    assert store(inbox, b"pixels") is Reception.DUPLICATE
    assert files(tmp_path) == [path]
    assert path.read_bytes() == META + b"pixels"


def test_of_two_under_way_at_once_the_first_to_commit_is_kept(inbox: Inbox, tmp_path: Path) -> None:
    first, second, third = begun(inbox), begun(inbox), begun(inbox)
    for incoming, data_set in ((first, b"pixels"), (second, b"pixels"), (third, b"PIXELS")):
        incoming.write(data_set)
    said = [incoming.commit() for incoming in (first, second, third)]
    assert said == [Reception.STORED, Reception.DUPLICATE, Reception.CONFLICT]
    (entry,) = stored(tmp_path)
    assert [path.read_bytes() for path in files(tmp_path)] == [META + b"pixels"]
    assert files(tmp_path) == [tmp_path / entry.instance.path]
