"""A real `edge receive`, in a process of its own, for the length of a block."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.domain.arrival import Arrival, InstanceStored, StoredInstance
from edge.spool.journal import InboxJournal
from tests.contract.spool_child import ROOT

READY_S = 60.0


@dataclass(frozen=True)
class ReceiveProcess:
    port: int
    pid: int
    state_dir: Path

    def peak_rss_mib(self) -> float:
        """VmHWM (proc(5)) of the process itself."""
        status = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        (line,) = (x for x in status if x.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024

    def journal(self) -> list[Arrival]:
        journal = InboxJournal(self.state_dir)
        try:
            return list(journal.after(0, 1_000_000))
        finally:
            journal.close()

    def stored(self) -> list[StoredInstance]:
        return [e.instance for e in self.journal() if isinstance(e, InstanceStored)]


@contextmanager
def receive_process(folder: Path, dicom: str = "") -> Generator[ReceiveProcess]:
    """`dicom` are further lines of the section of that name; it must end well when it is told to."""
    port, metrics = _free_port(), _free_port()
    config, log, state_dir = folder / "edge.toml", folder / "receive.log", folder / "state"
    config.write_text(
        f'[appliance]\nstate_dir = "{state_dir}"\n[telemetry]\nreceiver_port = {metrics}\n'
        f"[dicom]\nport = {port}\nmin_free_gib = 0\n{dicom}"
    )
    argv = [sys.executable, "-m", "edge", "--config", str(config), "receive"]
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stderr=out, cwd=ROOT)
    try:
        deadline = time.monotonic() + READY_S
        while "appliance_started" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield ReceiveProcess(port, process.pid, state_dir)
    finally:
        process.terminate()
        assert process.wait(30) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
