"""A real `edge receive` under attack: a scanner is served meanwhile, and the memory keeps its bound."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from edge.domain.arrival import InstanceStored
from tests.contract.attacks import ATTACKS, Attack, idle_sockets
from tests.contract.receiving import Running, changed, send, small_series

# Far above what it takes, for a machine that does something else as well: locked out would be forever.
SERIES_S = 15.0
RSS_CEILING_MIB = 120
# Every connection has its whole buffer from the start, so 200 that say nothing take more: 125 MiB were seen.
RSS_CEILING_IDLE_MIB = 160
NUMBERS = count()


@pytest.fixture
def attacked(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[tuple[Running, int]]:
    port, config = free_port(), tmp_path / "edge.toml"
    config.write_text(
        f'[appliance]\nstate_dir = "{tmp_path / "state"}"\n[dicom]\nport = {port}\nmin_free_gib = 0\n'
        'max_instance_mib = 16\ndeflated_calling_ae_titles = ["CT_1"]\n'
        f"[telemetry]\nreceiver_port = {free_port()}\n"
    )
    argv = [sys.executable, "-m", "edge", "--config", str(config), "receive"]
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stderr=out)
    try:
        deadline = time.monotonic() + 30
        while "appliance_started" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield Running(port, tmp_path / "state", [], None), process.pid  # type: ignore[arg-type]
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize("attack", ATTACKS, ids=[a.__name__ for a in ATTACKS])
def test_a_scanner_is_served_meanwhile_in_bounded_memory(
    attacked: tuple[Running, int], attack: Attack
) -> None:
    running, pid = attacked
    quiet_s, sent = timed_series(running)
    done = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        attacking = pool.submit(attack, running.port, done)
        try:
            time.sleep(0.3)
            busy_s, more = timed_series(running)
            time.sleep(0.7)
        finally:
            done.set()
        attacking.result(30)
    rss_mib = peak_rss_mib(pid)
    print(f"series in {quiet_s:.2f} s, attacked in {busy_s:.2f} s; peak {rss_mib:.0f} MiB")
    assert busy_s < SERIES_S
    assert rss_mib < (RSS_CEILING_IDLE_MIB if attack is idle_sockets else RSS_CEILING_MIB)
    stored = {e.instance.sop_instance_uid for e in running.wait_for(InstanceStored, len(sent | more))}
    assert sent | more <= stored


def timed_series(running: Running) -> tuple[float, set[str]]:
    series = [changed(d, SOPInstanceUID=f"1.2.3.{next(NUMBERS)}") for d in small_series() * 5]
    for one in series:
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    began = time.monotonic()
    assert send(running, *series) == [0x0000] * len(series)
    return time.monotonic() - began, {one.SOPInstanceUID for one in series}


def peak_rss_mib(pid: int) -> float:
    """VmHWM (proc(5)) of the process itself."""
    (line,) = (x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
