"""System shared memory for one request at a time: inputs and outputs of a slab in one region.

A lock on each region (flock) tells a sweep whether its owner still lives, across PID namespaces too.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.ports import InferRequest
from edge.triton.outputs import UNWRITTEN

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - POSIX shared memory lives here, not a temp file of ours
PREFIX = "edge_slab_"
_ALIGN = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes of a region, by the name Triton knows it under."""

    region: str
    offset: int
    byte_size: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each tensor of a request goes: offset and byte count by name."""

    inputs: Mapping[str, tuple[int, int]]
    outputs: Mapping[str, tuple[int, int]]
    byte_size: int


def layout_of(request: InferRequest) -> Layout:
    """Tensors one after the other at multiples of 64 bytes."""
    end = 0
    inputs: dict[str, tuple[int, int]] = {}
    outputs: dict[str, tuple[int, int]] = {}
    for name, array in request.inputs.items():
        inputs[name] = (end, array.nbytes)
        end += -(-array.nbytes // _ALIGN) * _ALIGN
    for name, spec in request.outputs.items():
        nbytes = int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize
        outputs[name] = (end, nbytes)
        end += -(-nbytes // _ALIGN) * _ALIGN
    return Layout(inputs, outputs, end)


class Region:
    """One file in /dev/shm, mode 0600, mapped and locked by us until `unlink`.

    Raises OSError when shared memory is full: reserving now keeps a later write from SIGBUS.
    """

    def __init__(self, byte_size: int) -> None:
        self.name = f"{PREFIX}{os.getpid()}_{secrets.token_hex(6)}"
        self.byte_size = byte_size
        self.registered = False
        self._path = SHARED_MEMORY / self.name
        # Locked before it has a name: killed at any point, it leaves nothing that a sweep cannot judge.
        self._fd = os.open(SHARED_MEMORY, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(self._fd, 0, byte_size)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            self._map = mmap.mmap(self._fd, byte_size)
            # Only with a folder's descriptor does Python call linkat(2), which follows the link of proc(5).
            os.link(f"/proc/self/fd/{self._fd}", self._path, src_dir_fd=self._fd)
        except OSError:
            os.close(self._fd)
            raise

    def write(self, offset: int, array: NDArray[Any]) -> None:
        target = np.frombuffer(self._map, array.dtype, array.size, offset)
        target[:] = array.reshape(-1)

    def spoil(self, offset: int, byte_size: int) -> None:
        """Fills with a pattern that no answer has, so that an unwritten output shows."""
        np.frombuffer(self._map, np.uint8, byte_size, offset)[:] = UNWRITTEN

    def spoilt(self, offset: int, byte_size: int) -> bool:
        return bool((np.frombuffer(self._map, np.uint8, byte_size, offset) == UNWRITTEN).all())

    def read(self, offset: int, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """A copy: the region is used again."""
        count = int(np.prod(shape))
        return np.frombuffer(self._map, np.dtype(dtype), count, offset).reshape(shape).copy()

    def unlink(self) -> None:
        """Takes the name away; a server that still writes does so into memory nobody reads."""
        self._path.unlink(missing_ok=True)
        self._map.close()
        os.close(self._fd)


def sweep() -> int:
    """Removes the regions of dead owners and says how many; what belongs to others stays."""
    swept = 0
    for path in SHARED_MEMORY.glob(f"{PREFIX}*"):
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, PermissionError):
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            path.unlink(missing_ok=True)
            swept += 1
        finally:
            os.close(fd)
    return swept
