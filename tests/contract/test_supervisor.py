"""Programs of `edge up` that end, and logs that grow: real processes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge import supervisor
from edge.clock import SystemClock
from edge.launch import LaunchSpec
from edge.supervisor import Supervisor

CHATTERS = (
    "import time\nn = 0\nwhile True:\n    print('line', n, flush=True)\n    n += 1\n    time.sleep(0.001)"
)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def spec(source: str, ready: Callable[[], bool] = lambda: True) -> LaunchSpec:
    return LaunchSpec("chatter", (sys.executable, "-c", source), dict(os.environ), ready)


def test_a_log_that_has_grown_is_put_aside_and_the_program_goes_on_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOG_BYTES", 2000)
    said: list[str] = []
    watched = Supervisor(tmp_path, SystemClock(), said.append)
    log, aside = tmp_path / "chatter.log", tmp_path / "chatter.log.1"
    watched.start([spec(CHATTERS)], 10)
    try:
        until(aside.exists)
        first = aside.read_bytes()
        until(lambda: aside.read_bytes() != first and log.stat().st_size > 0)
    finally:
        watched.stop()
    assert first.startswith(b"line 0\n")
    assert log.read_bytes().startswith(b"line ")  # no hole of zeros where the old lines were
    assert said == []


def test_a_program_that_ends_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    watched = Supervisor(tmp_path, SystemClock(), said.append)
    log = tmp_path / "chatter.log"
    watched.start([spec("print('here', flush=True)")], 10)
    try:
        until(lambda: log.read_bytes().count(b"here") >= 2)
    finally:
        watched.stop()
    assert said[0].startswith("chatter ended with 0; again in ")
