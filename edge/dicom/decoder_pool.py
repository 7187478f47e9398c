"""A few worker processes that decode compressed frames for the agent's threads and may die doing so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from edge.dicom.decoder_process import DecoderLimits, DecoderProcess, WorkerLost
from edge.dicom.frame_decoder import CompressedFrame
from edge.dicom.part10_file import errno_name
from edge.domain.unusable import UnusableReason
from edge.errors import DecoderUnavailable, RejectInput
from edge.telemetry.events import DecoderWorkerEnded, Happening

WORKER_MODULE = "edge.dicom.decoder_worker"
# A worker may be killed for no fault of the frame it had; a frame that kills two is refused.
_CRASHES = 2


class DecoderPool:
    """`decode` for any number of threads, `limits.workers` frames at a time.

    A lost worker is replaced at once. One that has decoded its share goes on until its successor is
    ready, so nobody waits for a start.
    """

    def __init__(
        self,
        limits: DecoderLimits,
        emit: Callable[[Happening], None],
        *,
        module: str = WORKER_MODULE,
    ) -> None:
        self._limits, self._emit, self._module = limits, emit, module
        self._returned = threading.Condition()
        # None is a place whose worker has not been started, or could not be.
        self._idle: list[DecoderProcess | None] = [None] * limits.workers
        self._closed = False

    def start(self) -> None:
        """Starts the workers, and does not wait until they can decode; without it the first frames do."""
        with self._returned:
            self._idle = [place or self._started() for place in self._idle]

    def decode(self, frame: CompressedFrame) -> NDArray[Any]:
        """Stored values (rows, columns) of `frame.dtype`.

        Raises RejectInput for a frame that cannot be decoded within the limits, DecoderUnavailable
        where the box has no room for a worker.
        """
        for attempt in range(1, _CRASHES + 1):
            worker = self._borrowed()
            try:
                values = worker.decode(frame)
            except RejectInput:
                self._give_back(worker)
                raise
            except WorkerLost as lost:
                self._replace(worker, lost)
                if lost.reason is None:
                    raise DecoderUnavailable("not_started") from lost
                if lost.reason is not UnusableReason.DECODER_CRASHED or attempt == _CRASHES:
                    raise RejectInput(lost.reason) from lost
            except BaseException:
                self._replace(worker, WorkerLost(UnusableReason.INTERNAL_ERROR))
                raise
            else:
                self._give_back(worker)
                return values
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Ends every worker; those that decode just now are ended when they come back."""
        with self._returned:
            self._closed = True
            idle, self._idle = self._idle, []
            self._returned.notify_all()
        for worker in idle:
            if worker is not None:
                worker.close()

    def _borrowed(self) -> DecoderProcess:
        with self._returned:
            while not self._idle and not self._closed:
                self._returned.wait()
            if self._closed:
                raise DecoderUnavailable("closed")
            # One that can decode at once, before one that still starts.
            place = next((i for i, w in enumerate(self._idle) if w is not None and w.started), 0)
            worker = self._idle.pop(place)
        if worker is not None:
            return worker
        try:
            return DecoderProcess(self._limits, self._module)
        except OSError as error:
            self._put(None)
            raise DecoderUnavailable(errno_name(error)) from error

    def _give_back(self, worker: DecoderProcess) -> None:
        if worker.frames >= self._limits.frames_per_worker:
            worker = self._relieved(worker)
        self._put(worker)

    def _relieved(self, worker: DecoderProcess) -> DecoderProcess:
        """Its successor if that is ready, else the worker itself, to be asked again after the next frame."""
        worker.successor = worker.successor or self._started()
        if worker.successor is None:
            return worker
        try:
            if not worker.successor.ready(0):
                return worker
        except WorkerLost:
            worker.successor.close()
            worker.successor = None
            return worker
        successor, worker.successor = worker.successor, None
        self._end(worker, "recycled")
        return successor

    def _replace(self, worker: DecoderProcess, lost: WorkerLost) -> None:
        self._end(worker, lost.reason.value.removeprefix("decoder_") if lost.reason else "not_started")
        self._put(None if self._closed or lost.reason is None else self._started())

    def _started(self) -> DecoderProcess | None:
        try:
            return DecoderProcess(self._limits, self._module)
        except OSError:
            return None  # who borrows this place tries again and says so

    def _end(self, worker: DecoderProcess, reason: str) -> None:
        worker.close()
        self._emit(DecoderWorkerEnded(reason, worker.frames))

    def _put(self, worker: DecoderProcess | None) -> None:
        with self._returned:
            if not self._closed:
                self._idle.append(worker)
                self._returned.notify()
                return
        if worker is not None:
            worker.close()
