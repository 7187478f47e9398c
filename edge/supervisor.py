"""Starts the programs of `edge up`, restarts the ones that end, and stops them in reverse order."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import RetryPeer
from edge.launch import LaunchSpec
from edge.ports import Clock

_PR_SET_PDEATHSIG = 1
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
# A program that ran this long before it ended starts again at once.
_SETTLED_S = 30.0
_POLL_S = 0.1
# Of each program one log and the one before it; a box that is forgotten must not fill its disk with them.
LOG_BYTES = 32 * 2**20


@dataclass
class _Child:
    spec: LaunchSpec
    process: subprocess.Popen[bytes]
    started_at: float
    pause_s: float = _FIRST_PAUSE_S
    restart_at: float | None = None


class Supervisor:
    """Owns child processes; they are told to stop when this process dies, however it dies."""

    def __init__(self, log_dir: Path, clock: Clock, report: Callable[[str], None]) -> None:
        self._log_dir, self._clock, self._report = log_dir, clock, report
        self._children: list[_Child] = []
        self._stopping = threading.Event()
        self._watch: threading.Thread | None = None

    def start(self, specs: Sequence[LaunchSpec], ready_timeout_s: float) -> None:
        """Starts `specs` in order, each once the one before is ready; raises RetryPeer when one is not."""
        self._log_dir.mkdir(parents=True, exist_ok=True)
        if self._watch is None:
            self._watch = threading.Thread(target=self._keep_alive, name="supervisor", daemon=True)
            self._watch.start()
        for spec in specs:
            self._children.append(_Child(spec, self._launch(spec), self._clock.monotonic()))
            self._await_ready(spec, ready_timeout_s)

    def pid(self, name: str) -> int:
        """The process id of a running program; for tests that do it harm."""
        return next(c.process.pid for c in self._children if c.spec.name == name)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for whatever outlives its own stop_timeout_s."""
        self._stopping.set()
        if self._watch is not None:
            self._watch.join()
        for child in reversed(self._children):
            child.process.terminate()
            try:
                child.process.wait(child.spec.stop_timeout_s)
            except subprocess.TimeoutExpired:
                self._report(f"{child.spec.name} outlived {child.spec.stop_timeout_s:.0f} s: killed")
                child.process.kill()
                child.process.wait()

    def _launch(self, spec: LaunchSpec) -> subprocess.Popen[bytes]:
        with (self._log_dir / f"{spec.name}.log").open("ab") as log:
            return subprocess.Popen(
                spec.argv,
                env=dict(spec.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
                start_new_session=True,
            )

    def _bound_log(self, name: str) -> None:
        """Copied and emptied, for the program holds the file open for appending."""
        log = self._log_dir / f"{name}.log"
        try:
            if log.stat().st_size <= LOG_BYTES:
                return
            try:
                shutil.copyfile(log, log.with_suffix(".log.1"))
            finally:  # with no room for a copy, what there is room for is the log that goes on
                os.truncate(log, 0)
        except FileNotFoundError:
            return  # somebody has taken it away
        except OSError as error:  # whatever the disk says, programs that end are started again
            self._report(f"{log} was not put aside: {error.strerror}")

    def _await_ready(self, spec: LaunchSpec, timeout_s: float) -> None:
        deadline = self._clock.monotonic() + timeout_s
        while not spec.ready():
            if self._clock.monotonic() > deadline:
                log = self._log_dir / f"{spec.name}.log"
                raise RetryPeer(f"{spec.name} was not ready within {timeout_s:.0f} s", hint=f"See {log}.")
            self._stopping.wait(_POLL_S)

    def _keep_alive(self) -> None:
        while not self._stopping.wait(_POLL_S):
            for child in list(self._children):
                self._revive(child)
                self._bound_log(child.spec.name)

    def _revive(self, child: _Child) -> None:
        now = self._clock.monotonic()
        if child.process.poll() is None:
            return
        if child.restart_at is None:
            if now - child.started_at > _SETTLED_S:
                child.pause_s = _FIRST_PAUSE_S
            child.restart_at = now + child.pause_s
            self._report(
                f"{child.spec.name} ended with {child.process.returncode}; again in {child.pause_s:.1f} s"
            )
        elif now >= child.restart_at:
            child.pause_s = min(child.pause_s * 2, _LONGEST_PAUSE_S)
            child.restart_at, child.started_at = None, now
            child.process = self._launch(child.spec)


def _die_with_parent() -> None:
    """Linux prctl(2): the kernel sends SIGTERM when the supervising thread is gone."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
