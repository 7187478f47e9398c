"""The peers of the InferenceServer contract: each can be killed, brought back and slowed down."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from edge.errors import RetryPeer
from edge.ports import InferenceServer
from edge.triton.canary import GoldenCase
from edge.triton.client import TritonServer
from edge.triton.fallback import OnnxWorker
from tests.fakes.inference_server import FakeInferenceServer
from tests.triton_fixtures import MODEL, MODEL_FOLDER, RunningTriton


class Peer(Protocol):
    """`degraded` is what its results must say; `opened` is made inside the test's event loop."""

    degraded: bool

    def opened(self) -> InferenceServer: ...
    def kill(self) -> None: ...
    def restart(self) -> None: ...


class FakePeer:
    degraded = False

    def __init__(self, cases: Sequence[GoldenCase]) -> None:
        self._cases = cases
        self._server: FakeInferenceServer | None = None

    def opened(self) -> InferenceServer:
        self._server = FakeInferenceServer(MODEL, self._cases)
        self._server.takes_s = 0.02
        return self._server

    def kill(self) -> None:
        assert self._server is not None
        self._server.up = False

    def restart(self) -> None:
        assert self._server is not None
        self._server.up = True


class WorkerPeer:
    """Restarts by itself."""

    degraded = True

    def opened(self) -> InferenceServer:
        return OnnxWorker(MODEL, MODEL_FOLDER / "1" / "model.onnx")

    def kill(self) -> None:
        for pid in worker_pids():
            os.kill(pid, signal.SIGKILL)

    def restart(self) -> None:
        pass


class TritonPeer:
    degraded = False

    def __init__(self, triton: RunningTriton, *, shared_memory: bool) -> None:
        self._triton = triton
        self._shared_memory = shared_memory

    def opened(self) -> InferenceServer:
        self._triton.ensure()
        url = self._triton.settings.triton.grpc_url
        return TritonServer(url, shared_memory=self._shared_memory, in_flight=2)

    def kill(self) -> None:
        self._triton.end(signal.SIGKILL)

    def restart(self) -> None:
        self._triton.start()


def worker_pids() -> list[int]:
    """ONNX Runtime workers among our children."""
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            command = (process / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        if parent == os.getpid() and b"edge.triton.onnx_worker" in command:
            found.append(int(process.name))
    return found


async def eventually(server: InferenceServer, case: GoldenCase, *, attempts: int = 100) -> bool:
    """Asks until an answer comes; RetryPeer in between is what the port promises."""
    for _ in range(attempts):
        try:
            result = await server.infer(case.request(MODEL, 2.0))
        except RetryPeer:
            await asyncio.sleep(0.1)
        else:
            return case.mismatch(result.outputs) is None
    return False
