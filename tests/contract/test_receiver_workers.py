"""`edge receive --workers N`: several processes on one port and one journal, each of which may die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge import receiver_workers
from edge.clock import SystemClock
from edge.domain.arrival import AssociationAborted, AssociationReleased, InstanceStored
from edge.errors import InboxFull
from edge.receiver_workers import Workers
from edge.settings import Settings
from edge.spool.inbox import Inbox
from edge.spool.lock import Held, exclusive
from edge.telemetry.events import AssociationAccepted, Happening, TaskFailed
from tests.contract.receiving import Running, associate, changed, small_series

SLICES = 12


@contextmanager
def receiver(
    folder: Path, port: int, metrics: int, ends_with: int = 0
) -> Iterator[tuple[subprocess.Popen[bytes], Running]]:
    config = folder / "edge.toml"
    state_dir = folder / "state"
    config.write_text(
        f'[appliance]\nstate_dir = "{state_dir}"\n[dicom]\nport = {port}\nmin_free_gib = 0\n'
        f"[telemetry]\nreceiver_port = {metrics}\n"
    )
    argv = [sys.executable, "-m", "edge", "--config", str(config), "receive", "--workers", "2"]
    process = subprocess.Popen(argv, stderr=(folder / "log").open("wb"))
    try:
        yield process, Running(port, state_dir, [], None)  # type: ignore[arg-type]
    finally:
        process.terminate()
        assert process.wait(30) == ends_with


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


def workers(pid: int) -> list[int]:
    return [c for c in children(pid) if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_workers_share_the_work_and_one_that_dies_is_replaced(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port, metrics = free_port(), free_port()
    first = small_series()[0]
    with receiver(tmp_path, port, metrics) as (process, running):
        until(
            lambda: "appliance_started" in (tmp_path / "log").read_text() and len(workers(process.pid)) == 1
        )
        (worker,) = workers(process.pid)
        until(lambda: _listening(port) == 2)
        open_ones = [associate(running) for _ in range(SLICES)]
        assert all(a.is_established for a in open_ones)
        for number, association in enumerate(open_ones):
            one = changed(first, SOPInstanceUID=f"1.2.3.{number}")
            assert association.send_c_store(one).Status == 0x0000
        page = urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics").read().decode()
        assert f'edge_slices_received_total{{result="stored"}} {SLICES}.0' in page
        os.kill(worker, signal.SIGKILL)
        aborted = running.wait_for(AssociationAborted)
        until(lambda: workers(process.pid) not in ([], [worker]) and _listening(port) == 2)
        for association in open_ones:
            association.release()
        left = len(running.wait_for(AssociationAborted, len(aborted)))
        running.wait_for(AssociationReleased, SLICES - left)
        assert len(running.wait_for(InstanceStored)) == SLICES
        again = associate(running)
        assert again.is_established
        again.release()


def test_a_killed_receiver_leaves_nobody_who_writes_beside_the_next(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port, metrics = free_port(), free_port()
    with receiver(tmp_path, port, metrics, ends_with=-signal.SIGKILL) as (process, _):
        until(lambda: len(workers(process.pid)) == 1 and _listening(port) == 2)
        (worker,) = workers(process.pid)
        os.kill(worker, signal.SIGSTOP)
        process.kill()
        process.wait()
        killing = threading.Timer(0.5, os.kill, (worker, signal.SIGKILL))
        killing.start()
        with exclusive(tmp_path / "state", "receiver"):
            assert not _alive(worker), "its own worker was still there"


def test_a_worker_that_is_frozen_is_replaced_and_its_associations_are_aborted(
    tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel would go on dealing it connections, which nobody answers."""
    monkeypatch.setattr(receiver_workers, "_STANDS_STILL_S", 3.0)
    port = free_port()
    told: list[Happening] = []
    running = Running(port, tmp_path, told, None)  # type: ignore[arg-type]
    with joined(tmp_path) as (held, inbox):
        workers = Workers(settings(tmp_path, port), 1, inbox, told.append, held)
        workers.start()
        until(lambda: _listening(port) == 1)
        assert associate(running).is_established
        until(lambda: any(isinstance(h, AssociationAccepted) for h in told))
        time.sleep(4.0)  # idle is not frozen
        first = workers._processes[0]
        assert first is not None
        assert first.pid is not None
        assert first.is_alive()
        os.kill(first.pid, signal.SIGSTOP)
        (aborted,) = running.wait_for(AssociationAborted)
        assert aborted.reason == "receiver_process_ended"  # type: ignore[attr-defined]
        until(lambda: workers._processes[0] is not first and _listening(port) == 1)
        again = associate(running)
        assert again.is_established
        again.release()
        workers.stop()
        running.wait_for(AssociationReleased)
    said = [h.error for h in told if isinstance(h, TaskFailed)]
    assert said == ["stood still for 3 s", "ended with -9"]


def _alive(pid: int) -> bool:
    """A zombie, which nobody has waited for yet, is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def joined(state_dir: Path) -> Iterator[tuple[Held, Inbox]]:
    """What a first process has when it starts further ones."""
    with (
        exclusive(state_dir, "receiver") as held,
        closing(Inbox(state_dir, min_free_bytes=0, clock=SystemClock())) as inbox,
    ):
        inbox.recover()
        yield held, inbox


def settings(state_dir: Path, port: int) -> Settings:
    return Settings.model_validate(
        {"appliance": {"state_dir": state_dir}, "dicom": {"port": port, "min_free_gib": 0}}
    )


def test_a_full_disk_delays_the_end_of_a_dead_workers_associations_and_loses_neither(
    tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_workers, "_PAUSE_S", 0.05)
    port = free_port()
    told: list[Happening] = []
    running = Running(port, tmp_path, told, None)  # type: ignore[arg-type]
    with joined(tmp_path) as (held, inbox):
        appended = inbox._entries.ended
        full = iter([InboxFull(), InboxFull(), OSError(5, "gone")])

        def ended(*values: str) -> None:
            for error in full:
                raise error
            appended(*values)

        monkeypatch.setattr(inbox._entries, "ended", ended)
        workers = Workers(settings(tmp_path, port), 1, inbox, told.append, held)
        workers.start()
        until(lambda: _listening(port) == 1)
        assert associate(running).is_established
        until(lambda: any(isinstance(h, AssociationAccepted) for h in told))
        first = workers._processes[0]
        assert first is not None
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        (aborted,) = running.wait_for(AssociationAborted)
        assert aborted.reason == "receiver_process_ended"  # type: ignore[attr-defined]
        until(lambda: workers._processes[0] is not first and _listening(port) == 1)
        again = associate(running)
        assert again.is_established
        again.release()
        workers.stop()
        running.wait_for(AssociationReleased)
    said = [h.error for h in told if isinstance(h, TaskFailed)]
    assert [s.partition(" at ")[0] for s in said] == ["ended with -9", "InboxFull", "InboxFull", "OSError"]


def test_a_worker_that_could_not_be_started_is_started_later(
    tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_workers, "_PAUSE_S", 0.05)
    port = free_port()
    told: list[Happening] = []
    real = receiver_workers.get_context

    def no_process(_: str) -> None:
        monkeypatch.setattr(receiver_workers, "get_context", real)
        raise BlockingIOError(11, "no process")

    monkeypatch.setattr(receiver_workers, "get_context", no_process)
    with joined(tmp_path) as (held, inbox):
        workers = Workers(settings(tmp_path, port), 1, inbox, told.append, held)
        workers.start()
        until(lambda: _listening(port) == 1)
        workers.stop()
    (failed,) = [h for h in told if isinstance(h, TaskFailed)]
    assert failed.error.startswith("BlockingIOError")


def _listening(port: int) -> int:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)
