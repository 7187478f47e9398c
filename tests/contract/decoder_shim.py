"""A decoder worker whose codec does what the first byte of the codestream says: faults of every kind."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from edge.dicom.decoder_worker import ANSWER, main
from edge.dicom.frame_decoder import CompressedFrame
from edge.domain.unusable import UnusableReason
from edge.errors import RejectInput


def segmentation_fault() -> None:
    ctypes.string_at(0)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def asleep() -> None:
    time.sleep(60)


def busy() -> NoReturn:
    while True:
        pass


def hungry() -> None:
    try:
        held = [np.ones(1 << 20) for _ in range(4096)]
    except MemoryError as error:
        raise RejectInput(UnusableReason.DECODER_OUT_OF_MEMORY) from error
    raise AssertionError(len(held))


def says(answer: bytes) -> None:
    os.write(0, answer)  # standard input is the socket
    asleep()


def denied() -> None:
    """Tries what a codec that was taken over would try."""
    for attempt in (
        lambda: open("/etc/hostname", "rb").close(),
        socket.socket,
        lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
    ):
        try:
            attempt()
        except OSError:
            continue
        return
    if resource.getrlimit(resource.RLIMIT_CORE) == (0, 0) and "EDGE_MQTT__PASSWORD" not in os.environ:
        raise RejectInput(UnusableReason.UNDECODABLE)


FAULTS = {
    b"S": segmentation_fault,
    b"K": killed,
    b"Z": asleep,
    b"B": busy,
    b"H": hungry,
    b"L": lambda: says(ANSWER.pack(True, 0xFFFFFFFF)),
    b"l": lambda: says(ANSWER.pack(False, 0xFFFFFFFF)),
    b"U": lambda: says(ANSWER.pack(False, 12) + b"patient name"),
    b"s": lambda: says(struct.pack("<B", 1)),
    b"D": denied,
}


def decode(frame: CompressedFrame) -> NDArray[Any]:
    """The faults by name, or a frame of the process' own number, so that tests see who decoded it."""
    if (fault := FAULTS.get(frame.codestream[:1])) is not None:
        fault()
    return np.full((frame.rows, frame.columns), os.getpid(), frame.dtype)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), decode)
