"""ports.InferenceServer without Triton: the same ONNX in a worker process that may die and come back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edge.ports import InferRequest, InferResult
from edge.triton.onnx_worker import LENGTHS, decoded, encoded
from edge.triton.outputs import checked
from edge.triton.status import ServerAway, ServerLate, failure

START_TIMEOUT_S = 30.0
_PIPE_BYTES = 1 << 20


class OnnxWorker:
    """One model, one process, one request at a time; results are `degraded`.

    The process is started by the first request and replaced when it dies or is late.
    """

    def __init__(self, model: str, onnx: Path, *, threads: int = 1) -> None:
        self._model = model
        self._onnx = onnx
        self._threads = threads
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def infer(self, request: InferRequest) -> InferResult:
        """See the port; starting the process does not count towards the deadline."""
        if request.model != self._model:
            raise ServerAway("not_found", f"the worker serves {self._model}, not {request.model}")
        async with self._turn:
            process = await self._started()
            try:
                async with asyncio.timeout(request.deadline_s):
                    outputs = await self._ask(process, request)
            except TimeoutError as error:
                await self._end()
                raise ServerLate("deadline_exceeded", f"no answer in {request.deadline_s} s") from error
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                await self._end()
                raise ServerAway("worker_died", "the ONNX Runtime worker ended") from error
            except asyncio.CancelledError:
                # Half a message may be in the pipe: the next request needs a fresh process.
                await self._end()
                raise
        return InferResult(outputs=checked(request, outputs), degraded=True)

    async def ready(self, model: str) -> bool:
        return model == self._model and self._onnx.exists()

    async def close(self) -> None:
        async with self._turn:
            await self._end()

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge.triton.onnx_worker", str(self._onnx), str(self._threads)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_PIPE_BYTES,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        self._process = process
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await _receive(process)
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            await self._end()
            raise ServerAway("worker_start", "the ONNX Runtime worker did not start") from error
        except asyncio.CancelledError:
            await self._end()
            raise
        return process

    async def _ask(
        self, process: asyncio.subprocess.Process, request: InferRequest
    ) -> dict[str, NDArray[Any]]:
        assert process.stdin is not None
        process.stdin.write(encoded({"outputs": list(request.outputs)}, request.inputs))
        await process.stdin.drain()
        header, tensors = await _receive(process)
        if header["status"] != "ok":
            raise failure(header["status"], header["message"])
        return tensors

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.stdin.close()
            with contextlib.suppress(ConnectionError):
                await process.stdin.wait_closed()
            await process.wait()


async def _receive(process: asyncio.subprocess.Process) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    assert process.stdout is not None
    head, body = LENGTHS.unpack(await process.stdout.readexactly(LENGTHS.size))
    return decoded(await process.stdout.readexactly(head), await process.stdout.readexactly(body))
