"""One decoder worker as its owner sees it: started, asked, given up."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.dicom.decoder_worker import ANSWER, READY, REQUEST
from edge.dicom.frame_decoder import CompressedFrame
from edge.domain.unusable import UnusableReason
from edge.errors import RejectInput

# A worker imports NumPy, pydicom and the codecs: 0.2 s alone, more on a machine that starts up.
START_TIMEOUT_S = 30.0
_LONGEST_REASON = 64
_EXIT_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class DecoderLimits:
    """`deadline_s` bounds a frame in processor time too; `memory_bytes` is on top of an idle worker's."""

    workers: int = 2
    deadline_s: float = 5.0
    memory_bytes: int = 512 * 1024**2
    frames_per_worker: int = 2000


class WorkerLost(Exception):
    """The worker is gone, or is to be: `reason` is what it cost the frame, None before its first."""

    def __init__(self, reason: UnusableReason | None) -> None:
        super().__init__(reason)
        self.reason = reason


class DecoderProcess:
    """Used by one thread at a time; raises OSError when it cannot start. After WorkerLost only close it."""

    def __init__(self, limits: DecoderLimits, module: str) -> None:
        self.frames = 0
        self.successor: DecoderProcess | None = None
        self._deadline_s = limits.deadline_s
        self._ready = False
        self._socket, theirs = socket.socketpair()
        cpu_s = max(1, round(limits.deadline_s))
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", module, str(limits.memory_bytes), str(cpu_s)],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    env=_environment(),
                )
        except OSError:
            self._socket.close()
            raise

    @property
    def started(self) -> bool:
        """Whether it has been seen ready."""
        return self._ready

    @property
    def pid(self) -> int:
        return self._process.pid

    def ready(self, timeout_s: float) -> bool:
        """Whether it has started within the time; raises WorkerLost when it never will."""
        if not self._ready:
            self._socket.settimeout(timeout_s)
            try:
                said = self._socket.recv(len(READY))
            except (BlockingIOError, TimeoutError):
                return False
            except ConnectionError as error:
                raise WorkerLost(None) from error
            if said != READY:
                raise WorkerLost(None)
            self._ready = True
        return True

    def decode(self, frame: CompressedFrame) -> NDArray[Any]:
        """Stored values (rows, columns); raises RejectInput for what the codec says, WorkerLost, OSError."""
        if not self.ready(START_TIMEOUT_S):
            raise WorkerLost(None)
        self.frames += 1
        until = time.monotonic() + self._deadline_s
        try:
            return self._asked(frame, until)
        except TimeoutError as error:
            raise WorkerLost(UnusableReason.DECODER_TIMED_OUT) from error
        except ConnectionError as error:
            raise WorkerLost(self._cause()) from error

    def close(self) -> None:
        """Ends it, whatever it is doing."""
        if self.successor is not None:
            self.successor.close()
        self._process.kill()
        self._process.wait()
        self._socket.close()

    def _asked(self, frame: CompressedFrame, until: float) -> NDArray[Any]:
        head = REQUEST.pack(
            frame.transfer_syntax_uid.encode("ascii"),
            *(frame.rows, frame.columns),
            *(frame.bits_allocated, frame.bits_stored, frame.pixel_representation),
            len(frame.codestream),
        )
        self._socket.settimeout(_left(until))
        self._socket.sendall(head + frame.codestream)
        decoded, length = ANSWER.unpack(self._received(ANSWER.size, until))
        if decoded and length == frame.decoded_bytes:
            values = np.frombuffer(self._received(length, until), frame.dtype)
            return values.reshape(frame.rows, frame.columns)
        if decoded or length > _LONGEST_REASON:
            raise ConnectionAbortedError("not an answer to this frame")
        reason = _reason(bytes(self._received(length, until)))
        if reason is UnusableReason.DECODER_OUT_OF_MEMORY:
            raise WorkerLost(reason)  # what it still holds is unknown
        raise RejectInput(reason)

    def _received(self, length: int, until: float) -> bytearray:
        taken = bytearray(length)
        rest = memoryview(taken)
        while rest:
            self._socket.settimeout(_left(until))
            count = self._socket.recv_into(rest)
            if count == 0:
                raise ConnectionResetError("the worker hung up")
            rest = rest[count:]
        return taken

    def _cause(self) -> UnusableReason:
        try:
            code = self._process.wait(_EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return UnusableReason.DECODER_CRASHED
        late = code == -signal.SIGXCPU
        return UnusableReason.DECODER_TIMED_OUT if late else UnusableReason.DECODER_CRASHED


def _reason(said: bytes) -> UnusableReason:
    try:
        return UnusableReason(said.decode("ascii"))
    except ValueError as error:
        raise ConnectionAbortedError("not a reason we know") from error


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _environment() -> dict[str, str]:
    """No more than it needs: whoever takes over a codec must not find the broker's password there."""
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "LD_LIBRARY_PATH", "LANG"}}
    path = os.pathsep.join(p for p in sys.path if p)
    return {**kept, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
