"""ports.InstanceStore on real files: what is acknowledged is kept, and nothing else is."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from xxhash import xxh3_128

from edge.domain.arrival import Arrival, ConflictReceived, DuplicateReceived, InstanceStored
from edge.domain.identity import AssociationId
from edge.errors import FixConfiguration, InboxFull
from edge.ports import Reception
from edge.spool.inbox import Inbox
from edge.spool.journal import InboxJournal
from tests.contract.storing import CT, EXPLICIT, META, store
from tests.fakes.clock import START, FakeClock

HERE = AssociationId("here")


def opened(state_dir: Path, *, min_free_bytes: int = 0) -> Inbox:
    return Inbox(state_dir, min_free_bytes=min_free_bytes, clock=FakeClock())


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    box = opened(tmp_path)
    yield box
    box.close()


def entries(state_dir: Path) -> list[Arrival]:
    journal = InboxJournal(state_dir)
    found = list(journal.after(0, 100_000))
    journal.close()
    return found


def files(state_dir: Path) -> list[Path]:
    return sorted(path for path in (state_dir / "inbox").rglob("*") if path.is_file())


def digest(dataset: bytes) -> str:
    return xxh3_128(dataset).hexdigest()


def test_an_instance_is_kept_byte_for_byte_under_a_name_of_ours(inbox: Inbox, tmp_path: Path) -> None:
    dataset = os.urandom(70_000)
    assert store(inbox, memoryview(dataset), uid="../../etc/passwd") is Reception.STORED
    (entry,) = entries(tmp_path)
    assert isinstance(entry, InstanceStored)
    assert (entry.association_id, entry.at) == (HERE, START.timestamp())
    instance = entry.instance
    assert (instance.sop_instance_uid, instance.sop_class_uid) == ("../../etc/passwd", CT)
    assert (instance.transfer_syntax_uid, instance.digest) == (EXPLICIT, digest(dataset))
    assert instance.size_bytes == len(META) + len(dataset)
    (path,) = files(tmp_path)
    assert path == tmp_path / instance.path
    assert path.read_bytes() == META + dataset
    assert len(path.stem) == 32
    assert path.parent.name == path.stem[:2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_same_bytes_again_are_a_duplicate_whoever_sends_them(inbox: Inbox, tmp_path: Path) -> None:
    store(inbox, b"pixels")
    assert store(inbox, b"pixels", meta=META + b" and B") is Reception.DUPLICATE
    first, second = entries(tmp_path)
    assert isinstance(first, InstanceStored)
    assert isinstance(second, DuplicateReceived)
    assert second.instance == first.instance
    assert len(files(tmp_path)) == 1


def test_other_bytes_under_a_known_uid_leave_the_first(inbox: Inbox, tmp_path: Path) -> None:
    store(inbox, b"pixels")
    assert store(inbox, b"PIXELS") is Reception.CONFLICT
    first, second = entries(tmp_path)
    assert isinstance(first, InstanceStored)
    assert isinstance(second, ConflictReceived)
    assert (second.instance, second.refused_digest) == (first.instance, digest(b"PIXELS"))
    assert [path.read_bytes() for path in files(tmp_path)] == [META + b"pixels"]


def test_a_duplicate_brings_back_a_file_that_somebody_removed(inbox: Inbox, tmp_path: Path) -> None:
    store(inbox, b"pixels")
    (path,) = files(tmp_path)
    path.unlink()
    assert store(inbox, b"pixels") is Reception.DUPLICATE
    assert path.read_bytes() == META + b"pixels"


@pytest.mark.parametrize("alike", [True, False])
def test_of_threads_storing_one_uid_exactly_one_wins(inbox: Inbox, tmp_path: Path, alike: bool) -> None:
    results: list[Reception] = []

    def sender(number: int, start: threading.Barrier, uid: str) -> None:
        start.wait()
        results.append(store(inbox, b"pixels" if alike else b"%d" % number, uid=uid))

    for round_number in range(10):
        start = threading.Barrier(8)
        threads = [threading.Thread(target=sender, args=(n, start, f"1.2.{round_number}")) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    loser = Reception.DUPLICATE if alike else Reception.CONFLICT
    assert sorted(results) == sorted([Reception.STORED] * 10 + [loser] * 70)
    kept = [e.instance for e in entries(tmp_path) if isinstance(e, InstanceStored)]
    assert sorted(tmp_path / instance.path for instance in kept) == files(tmp_path)
    assert all(digest((tmp_path / i.path).read_bytes()[len(META) :]) == i.digest for i in kept)


def floor(inbox: Inbox, min_free_bytes: int) -> None:
    inbox._disk = replace(inbox._disk, min_free_bytes=min_free_bytes)


def test_below_the_floor_nothing_is_taken_and_the_size_of_the_object_counts(tmp_path: Path) -> None:
    inbox = opened(tmp_path, min_free_bytes=0)
    # Other programs use this disk too, so the floor stands far from what is free now.
    floor(inbox, inbox.free_bytes() - 50_000_000)
    store(inbox, b"small")
    with pytest.raises(InboxFull):
        store(inbox, memoryview(bytes(100_000_000)), uid="1.2.4")
    floor(inbox, inbox.free_bytes() * 2)
    with pytest.raises(InboxFull):
        store(inbox, b"small", uid="1.2.5")
    assert len(files(tmp_path)) == len(entries(tmp_path)) == 1
    inbox.close()


def fail_at(monkeypatch: pytest.MonkeyPatch, name: str, number: int, code: int) -> Callable[[], bool]:
    """Makes the `number`-th call of os.`name` fail; returns whether it came to that."""
    real, calls = getattr(os, name), [0]

    def failing(*arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] == number:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **options)

    monkeypatch.setattr(os, name, failing)
    return lambda: calls[0] >= number


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("name", ["open", "writev", "fdatasync", "rename", "fsync"])
def test_a_system_call_that_fails_leaves_nothing_behind(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    expected = OSError if code == errno.EIO else InboxFull
    refused = 0
    for number in range(1, 20):
        before = len(entries(tmp_path)), len(files(tmp_path))
        with monkeypatch.context() as patched:
            came_to_it = fail_at(patched, name, number, code)
            try:
                store(inbox, b"pixels", uid=f"1.2.{number}")
            except expected:
                refused += 1
                after = before
            else:
                after = before[0] + 1, before[1] + 1
            reached = came_to_it()
        assert (len(entries(tmp_path)), len(files(tmp_path))) == after
        if not reached:
            break
    assert not reached, "the loop must go on until no call is left to fail"
    # Ringing the doorbell opens a descriptor as well, and that may fail unheard.
    assert refused == {"open": 2, "writev": 1, "fdatasync": 1, "rename": 1, "fsync": 1}[name]
    assert store(inbox, b"pixels", uid="1.2.1") is Reception.STORED


def test_short_writes_are_written_to_the_end(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, writev = os.write, os.writev
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
        patched.setattr(
            os, "writev", lambda descriptor, parts: writev(descriptor, (*parts[:1], parts[1][:7]))
        )
        store(inbox, b"pixels" * 10)
    assert [path.read_bytes() for path in files(tmp_path)] == [META + b"pixels" * 10]


def test_the_row_is_written_after_file_and_folder_are_synced(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []

    def note(name: str, real: Callable[..., Any]) -> None:
        def noting(*arguments: Any) -> Any:
            happened.append(f"{name} with {len(entries(tmp_path))} rows")
            return real(*arguments)

        monkeypatch.setattr(os, name, noting)

    for name in ("fdatasync", "rename", "fsync"):
        note(name, getattr(os, name))
    store(inbox, b"pixels")
    assert happened == ["fdatasync with 0 rows", "fsync with 0 rows", "rename with 0 rows"]


def test_without_its_journal_an_inbox_with_instances_is_left_alone(tmp_path: Path) -> None:
    inbox = opened(tmp_path)
    store(inbox, b"pixels")
    inbox.close()
    for path in tmp_path.glob("inbox.db*"):
        path.unlink()
    with pytest.raises(FixConfiguration, match=r"inbox\.db is missing"):
        opened(tmp_path)
    assert len(files(tmp_path)) == 1
