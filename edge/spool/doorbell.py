"""The hint that something new is on disk: a datagram nobody has to hear, the truth is in the journal."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

from edge.spool.files import private_folder

SOCKET_NAME = "doorbell"


class Bell:
    """The receiver's end, one for each process; `ring` is safe from many threads.

    It keeps a descriptor of the folder: by way of it any folder has an address under 108 bytes (unix(7),
    sun_path), and ringing is one call of the system.
    """

    def __init__(self, state_dir: Path) -> None:
        self._socket = _datagrams()
        folder = _opened(private_folder(state_dir))
        self._address = _address(folder)
        self._open = ExitStack()
        self._open.callback(os.close, folder)
        self._open.callback(self._socket.close)

    def ring(self) -> None:
        """Wakes the agent if it listens; never blocks and never fails, for it is only a hint."""
        # Not listening, or no room in its buffer: the agent looks by itself every second.
        with suppress(OSError):
            self._socket.sendto(b"\a", self._address)

    def close(self) -> None:
        """Later rings are heard by nobody."""
        self._open.close()


class Doorbell:
    """The agent's end; one per state folder, the agent holds `exclusive(state_dir, "agent")`."""

    def __init__(self, state_dir: Path) -> None:
        self._path = private_folder(state_dir) / SOCKET_NAME
        self._path.unlink(missing_ok=True)
        self._socket = _datagrams()
        folder = _opened(state_dir)
        try:
            self._socket.bind(_address(folder))
        finally:
            os.close(folder)
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


def _datagrams() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _address(folder: int) -> str:
    return f"/proc/self/fd/{folder}/{SOCKET_NAME}"
