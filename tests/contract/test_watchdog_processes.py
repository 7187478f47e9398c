"""The real receiver and agent against a real notification socket, told apart by their process ids."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.demo import demo_environment

pytestmark = pytest.mark.timeout(240)
READY_S, ROUND_S, SILENT_S = 120.0, 60.0, 4.0


class Manager:
    """What systemd binds; every datagram comes with who sent it (SO_PASSCRED, unix(7))."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(str(path))

    def until(self, words: str, pid: int, within_s: float) -> bool:
        """Whether the process says it in time."""
        deadline = time.monotonic() + within_s
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                said, control, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(12))
            except TimeoutError:
                return False
            (sender, _, _) = struct.unpack("3i", control[0][2])
            if (said.decode(), sender) == (words, pid):
                return True
        return False

    def forget(self) -> None:
        self.until("nothing of the kind", 0, 0.2)


@contextmanager
def role(words: list[str], manager: Manager, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        **demo_environment(folder / "state"),
        "NOTIFY_SOCKET": str(manager.path),
        "WATCHDOG_USEC": "60000000",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", *words], env=environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(30)


@pytest.fixture
def manager(tmp_path: Path) -> Manager:
    return Manager(tmp_path / "notify")


@pytest.mark.parametrize("words", [["receive"], ["run"]], ids=["receiver", "agent"])
def test_it_says_ready_and_feeds_while_it_turns_and_not_while_it_is_frozen(
    words: list[str], manager: Manager, tmp_path: Path
) -> None:
    """The agent without Triton and broker: that these are away is no fault of its own."""
    with role(words, manager, tmp_path) as process:
        assert manager.until("READY=1", process.pid, READY_S), (tmp_path / "log").read_text()
        assert manager.until("WATCHDOG=1", process.pid, ROUND_S)
        os.kill(process.pid, signal.SIGSTOP)
        manager.forget()
        assert not manager.until("WATCHDOG=1", process.pid, SILENT_S)
        os.kill(process.pid, signal.SIGCONT)
        assert manager.until("WATCHDOG=1", process.pid, ROUND_S)
        process.terminate()
        assert manager.until("STOPPING=1", process.pid, ROUND_S)
