"""The hint that something new is on disk: a datagram nobody has to hear, the truth is in the journal."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge.spool.files import private_folder

SOCKET_NAME = "doorbell"


def ring(state_dir: Path) -> None:
    """Wakes the agent if it listens; never blocks and never fails, for it is only a hint."""
    # Not listening, no room in its buffer, no descriptor left: the agent looks by itself every second.
    with (
        suppress(OSError),
        _short_address(state_dir) as address,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as bell,
    ):
        bell.sendto(b"\a", address)


class Doorbell:
    """The agent's end; one per state folder, the agent holds `exclusive(state_dir, "agent")`."""

    def __init__(self, state_dir: Path) -> None:
        self._path = private_folder(state_dir) / SOCKET_NAME
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with _short_address(state_dir) as address:
            self._socket.bind(address)
        self._path.chmod(0o600)

    async def wait(self, timeout_s: float) -> None:
        """Returns at a ring, also one from before the call, or after `timeout_s`; many rings count once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().sock_recv(self._socket, 1)
        with suppress(BlockingIOError):
            while True:
                self._socket.recv(1)

    def close(self) -> None:
        self._socket.close()
        self._path.unlink(missing_ok=True)


@contextmanager
def _short_address(state_dir: Path) -> Generator[str]:
    """An address under 108 bytes (unix(7), sun_path) for any folder: through an open descriptor of it."""
    descriptor = os.open(state_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)
