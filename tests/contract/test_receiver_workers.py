"""`edge receive --workers N`: several processes on one port and one journal, each of which may die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.domain.arrival import AssociationAborted, AssociationReleased, InstanceStored
from tests.contract.receiving import Running, associate, changed, small_series

SLICES = 12


@contextmanager
def receiver(folder: Path, port: int, metrics: int) -> Iterator[tuple[subprocess.Popen[bytes], Running]]:
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
        assert process.wait(30) == 0


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


def _listening(port: int) -> int:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)
