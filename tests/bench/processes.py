"""What the kernel counts for a program and the children it forks (proc(5))."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Generator, Sequence
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG = 1
_STOP_S = 15.0
_SAMPLE_S = 0.25


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its reaped children and its living or unreaped ones."""
    return sum(_own_cpu_seconds(one) for one in (pid, *_children(pid)))


def peak_rss_mib(pid: int) -> float:
    """VmHWM of a process and its children, summed: pages they share count once for each."""
    return sum(_vm_hwm_mib(one) for one in (pid, *_children(pid)))


class PeakRss:
    """Samples `peak_rss_mib` while the block runs, because a forked child takes its figure with it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.mib = 0.0

    def __enter__(self) -> PeakRss:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        ended = False
        while not ended:
            ended = self._done.wait(_SAMPLE_S)
            self.mib = max(self.mib, peak_rss_mib(self._pid))


@contextlib.contextmanager
def running(
    argv: Sequence[str], log: Path, environment: dict[str, str] | None = None
) -> Generator[subprocess.Popen[bytes]]:
    """A program for the length of the block; it is told to stop when the benchmark dies as well."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            argv,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _stat(pid: int) -> list[str]:
    """Fields 3 (state) and on of /proc/<pid>/stat; the name before them may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _own_cpu_seconds(pid: int) -> float:
    try:
        utime, stime, cutime, cstime = (int(ticks) for ticks in _stat(pid)[11:15])
    except (FileNotFoundError, ProcessLookupError):  # reaped a moment ago: its parent has the time now
        return 0.0
    return (utime + stime + cutime + cstime) / _TICKS_PER_S


def _vm_hwm_mib(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    # A zombie has no such line.
    return sum(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if int(_stat(int(entry.name))[1]) == pid:
                    found.append(int(entry.name))
    return found
