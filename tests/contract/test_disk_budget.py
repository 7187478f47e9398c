"""A small disk fills: finished series go first, the oldest before the others, and only then is refused."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from edge.conditions import Conditions, Limits
from edge.domain.degraded import Mode
from edge.domain.identity import SopInstanceUID
from edge.domain.outcome import Outcome, OutcomeKind
from edge.domain.retention import RetentionRules
from edge.errors import InboxFull
from edge.retention import Looks, measure, retain
from edge.spool.inbox import Inbox
from edge.spool.journal import InboxJournal
from edge.spool.ledger import SqliteLedger
from edge.telemetry.events import Happening, SeriesRemovalRequested, TaskFailed
from tests.contract.storing import store
from tests.fakes.clock import START, FakeClock
from tests.statements import outcome

MIB = 1024**2
DISK, TARGET, FLOOR = 64 * MIB, 30 * MIB, 22 * MIB
INSTANCE = bytes(MIB)
FINISHED = ("1.1", "1.2", "1.3", "1.4")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a file system of its own size needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


class Box:
    """Inbox and ledger on one small disk, the retention of the agent and the removals of the receiver."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inbox = Inbox(folder, min_free_bytes=FLOOR, clock=FakeClock())
        self.ledger = SqliteLedger(folder, clock=FakeClock())
        self.happenings: list[Happening] = []
        limits = Limits(scarce_bytes=TARGET, full_bytes=FLOOR + MIB, overload_s=15.0)
        self.conditions = Conditions(self.happenings.append, FakeClock(), limits)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._retain), threading.Thread(target=self._remove)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)
        self.ledger.close()
        self.inbox.close()

    def keep(self, series: str, number: int) -> None:
        uid = f"{series}.{number}"
        store(self.inbox, INSTANCE, uid=uid)
        with closing(InboxJournal(self.folder)) as journal:
            sequence = journal.sequence_of(SopInstanceUID(uid))
        assert sequence is not None
        self.ledger.remember_instance(sequence, series)
        self.last = sequence

    def removed_for_space(self) -> list[str]:
        tokens = [h.series for h in self.happenings if isinstance(h, SeriesRemovalRequested)]
        return [series for token in tokens for series in FINISHED if token == f"token {series}"]

    def _retain(self) -> None:
        rules = RetentionRules(timedelta(days=10_000), timedelta(0), target_free_bytes=TARGET)
        looks = Looks(self.folder, rules, FakeClock(START + timedelta(days=1)), lambda: True)

        async def until_stopped() -> None:
            async with asyncio.TaskGroup() as tasks:
                emit, request = self.conditions.emit, self.ledger.removals.request
                running = [
                    tasks.create_task(retain(looks, request, emit)),
                    tasks.create_task(measure(self.folder, emit)),
                ]
                while not self._stopping.is_set():
                    await asyncio.sleep(0.05)
                for task in running:
                    task.cancel()

        asyncio.run(until_stopped())

    def _remove(self) -> None:
        removals = self.inbox.removals()
        while not self._stopping.wait(0.1):
            removals.turn()


def test_retention_makes_room_oldest_first_and_0xa700_comes_only_when_nothing_finished_is_left(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.retention.LOOK_AGAIN_S", 0.2)
    monkeypatch.setattr("edge.retention.LOOK_EVERY_S", 0.5)
    monkeypatch.setattr("edge.retention.MEASURE_EVERY_S", 0.2)
    box = Box(small_disk)
    for number, series in enumerate(FINISHED):
        for instance in range(5):
            box.keep(series, instance)
        box.ledger.conclude(_no_finding(series, number), box.last, [], None)
    box.start()
    try:
        kept = _until_refused(box)
        assert box.removed_for_space() == list(FINISHED)
        _wait(lambda: Mode.DISK_FULL in box.conditions.now.names, "the mode of a full disk")
        assert Mode.DISK_SCARCE in box.conditions.now.names
        assert _images(box) == kept, "an unfinished series lost an image, or a finished one kept some"
        assert [h for h in box.happenings if isinstance(h, TaskFailed)] == []
    finally:
        box.close()


def _until_refused(box: Box) -> int:
    """How many slices of an unfinished series the disk took, each after retention had done what it can."""
    for number in range(100):
        try:
            box.keep("2.1", number)
        except InboxFull:
            return number
        # Asked for is not removed: the last finished image is off the disk, or there is room.
        _wait(lambda kept=number + 1: _room(box) or _images(box) == kept, "retention makes room")
    pytest.fail("the disk never filled")


def _no_finding(series: str, number: int) -> Outcome:
    said = outcome(series, kind=OutcomeKind.NO_FINDING)
    reference = replace(said.series, series_token=f"token {series}")
    return replace(said, series=reference, settled_at=said.settled_at + timedelta(minutes=number))


def _images(box: Box) -> int:
    return len(list((box.folder / "inbox").glob("[0-9a-f][0-9a-f]/*.dcm")))


def _room(box: Box) -> bool:
    return box.inbox.free_bytes() >= TARGET


def _wait(met: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
