"""ports.InferenceServer on a Triton inference server, over gRPC with slabs in shared memory."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.ports import InferRequest, InferResult
from edge.telemetry.degraded_events import SharedMemoryChanged
from edge.triton.declared import as_declared
from edge.triton.grpc_channel import Answer, CallFailed, GrpcChannel, ModelMetadata
from edge.triton.outputs import checked
from edge.triton.regions import Layout, Place, Region, layout_of, sweep
from edge.triton.status import ServerBroken, ServerLate, failure
from edge.triton.trust import Emit

CONTROL_TIMEOUT_S = 2.0
LOAD_TIMEOUT_S = 10.0
# A server that was restarted, or given more memory, may see it after all.
LOOK_AGAIN_S = 30.0
_REGION_UNKNOWN = "shared memory region"


class TritonServer:
    """At most `in_flight` requests at a time, each with a shared memory region of its own.

    `inline_because` is empty while shared memory is used, else it says why tensors travel inside
    the messages: switched off, or the server does not see our /dev/shm, which is tried again every
    LOOK_AGAIN_S. `emit` is told of every change.
    """

    def __init__(
        self, grpc_url: str, *, shared_memory: bool, in_flight: int, emit: Emit | None = None
    ) -> None:
        self._channel = GrpcChannel(grpc_url)
        self._places = asyncio.Semaphore(in_flight)
        self._idle: list[Region] = []
        self._lent: set[Region] = set()
        self._retired: list[str] = []
        self._declared: dict[str, Mapping[str, str]] = {}
        self._emit = emit
        self._look_again_at = math.inf
        self._said = SharedMemoryChanged(True, "")
        self.inline_because = "" if shared_memory else "triton.shared_memory is off"
        if shared_memory:
            sweep()
        else:
            self._say(SharedMemoryChanged(False, "off"))

    async def infer(self, request: InferRequest) -> InferResult:
        """See the port; raises AttemptFailed (a RetryPeer) or RequestRefused (a RefuseModel)."""
        try:
            async with asyncio.timeout(request.deadline_s), self._places:
                outputs = await self._as_declared(request)
        except CallFailed as error:
            raise failure(error.code, error.message) from error
        except TimeoutError as error:
            raise ServerLate("deadline_exceeded", f"no answer in {request.deadline_s} s") from error
        return InferResult(outputs=checked(request, outputs), degraded=False)

    async def ready(self, model: str) -> bool:
        """Whether the server calls the model ready; it does so with a dead stub, hence the canary."""
        try:
            return await self._channel.ready(model, CONTROL_TIMEOUT_S)
        except CallFailed:
            return False

    async def ready_models(self) -> frozenset[str]:
        """Every model that the server calls ready; raises AttemptFailed or RequestRefused."""
        try:
            return await self._channel.ready_models(CONTROL_TIMEOUT_S)
        except CallFailed as error:
            raise failure(error.code, error.message) from error

    async def metadata(self, model: str) -> ModelMetadata:
        """How the server describes the model it serves; raises AttemptFailed or RequestRefused."""
        try:
            return await self._channel.metadata(model, CONTROL_TIMEOUT_S)
        except CallFailed as error:
            raise failure(error.code, error.message) from error

    async def reload(self, model: str) -> None:
        """Replaces a dead stub by unloading and loading the model; raises AttemptFailed.

        Loading alone changes nothing when no file has changed (measured on 2.51).
        """
        with contextlib.suppress(CallFailed):
            # What matters is whether the load succeeds; a model that is not there cannot be unloaded.
            await self._channel.unload(model, LOAD_TIMEOUT_S)
        try:
            await self._channel.load(model, LOAD_TIMEOUT_S)
        except CallFailed as error:
            raise ServerBroken("load_failed", error.message) from error

    async def close(self) -> None:
        """Forgets and unlinks every region; also works while the server is down."""
        regions = [*self._idle, *self._lent]
        self._idle.clear()
        self._lent.clear()
        registered = [r.name for r in regions if r.registered]
        for region in regions:
            region.unlink()
        for name in (*registered, *self._retired):
            try:
                await self._channel.unregister(name, CONTROL_TIMEOUT_S)
            except CallFailed:
                break  # a server that is gone has forgotten them all
        await self._channel.close()

    async def _as_declared(self, request: InferRequest) -> dict[str, NDArray[Any]]:
        """An attempt in the types that the served model wants; they may change when it is loaded anew."""
        known = self._declared.get(request.model)
        declared = known if known is not None else await self._ask_types(request)
        try:
            return await self._attempt(replace(request, inputs=as_declared(request.inputs, declared)))
        except CallFailed as error:
            self._declared.pop(request.model, None)
            if known is None or error.code != "invalid_argument":
                raise
            declared = await self._ask_types(request)
            if declared == known:
                raise
            return await self._attempt(replace(request, inputs=as_declared(request.inputs, declared)))

    async def _ask_types(self, request: InferRequest) -> Mapping[str, str]:
        said = await self._channel.metadata(request.model, request.deadline_s)
        self._declared[request.model] = said.inputs
        return said.inputs

    async def _attempt(self, request: InferRequest) -> dict[str, NDArray[Any]]:
        if self.inline_because and asyncio.get_running_loop().time() >= self._look_again_at:
            self.inline_because = ""
        region = None if self.inline_because else await self._borrow(layout_of(request))
        if region is None:
            answers = await self._channel.infer(request, {}, request.deadline_s)
            return {name: a.array for name, a in answers.items() if a.array is not None}
        try:
            outputs = await self._through(region, request)
        except BaseException:
            # The server may still be reading or writing it: never lend it again.
            self._lent.discard(region)
            self._retire(region)
            raise
        self._lent.discard(region)
        self._idle.append(region)
        return outputs

    async def _through(self, region: Region, request: InferRequest) -> dict[str, NDArray[Any]]:
        layout = layout_of(request)
        for name, (offset, _) in layout.inputs.items():
            region.write(offset, request.inputs[name])
        for offset, nbytes in layout.outputs.values():
            region.spoil(offset, nbytes)
        places = {
            name: Place(region.name, offset, nbytes)
            for name, (offset, nbytes) in (*layout.inputs.items(), *layout.outputs.items())
        }
        try:
            answers = await self._channel.infer(request, places, request.deadline_s)
        except CallFailed as error:
            if error.code != "not_found" or _REGION_UNKNOWN not in error.message:
                raise
            await self._register(region)
            answers = await self._channel.infer(request, places, request.deadline_s)
        return {
            name: _read(region, layout, name, answers[name]) for name in request.outputs if name in answers
        }

    async def _borrow(self, layout: Layout) -> Region | None:
        """A registered region of sufficient size, or None when tensors must travel inline."""
        await self._forget_retired()
        region = self._idle.pop() if self._idle else None
        if region is not None and region.byte_size < layout.byte_size:
            self._retire(region)
            region = None
        if region is None:
            try:
                region = Region(layout.byte_size)
            except OSError as error:
                self._say(SharedMemoryChanged(False, "full", error.strerror or type(error).__name__))
                return None  # the next request asks again
        self._lent.add(region)
        if region.registered:
            return region
        try:
            await self._register(region)
        except CallFailed as error:
            self._lent.discard(region)
            self._retire(region)
            if error.code not in ("internal", "invalid_argument", "unimplemented"):
                raise
            self.inline_because = f"the server cannot open our shared memory: {error.message}"
            self._look_again_at = asyncio.get_running_loop().time() + LOOK_AGAIN_S
            self._say(SharedMemoryChanged(False, "not_seen", error.message))
            return None
        self._say(SharedMemoryChanged(True, ""))
        return region

    def _say(self, now: SharedMemoryChanged) -> None:
        """Once for each change."""
        if (now.in_use, now.reason) != (self._said.in_use, self._said.reason) and self._emit is not None:
            self._emit(now)
        self._said = now

    async def _register(self, region: Region) -> None:
        try:
            await self._channel.register(region.name, region.byte_size, CONTROL_TIMEOUT_S)
        except CallFailed as error:
            if error.code != "already_exists":
                raise
        region.registered = True

    def _retire(self, region: Region) -> None:
        if region.registered:
            self._retired.append(region.name)
        region.unlink()

    async def _forget_retired(self) -> None:
        """Lets the server unmap what we no longer use; refused while a late request still does."""
        names: list[str] = []
        names, self._retired = self._retired, names
        for name in names:
            try:
                await self._channel.unregister(name, CONTROL_TIMEOUT_S)
            except CallFailed as error:
                if error.code not in ("not_found", "unavailable"):
                    self._retired.append(name)


def _read(region: Region, layout: Layout, name: str, answer: Answer) -> NDArray[Any]:
    offset, nbytes = layout.outputs[name]
    if int(np.prod(answer.shape)) * np.dtype(answer.dtype).itemsize != nbytes:
        raise ServerBroken("output_shape", f"{name} is {answer.dtype} {answer.shape}, not {nbytes} bytes")
    if region.spoilt(offset, nbytes):
        raise ServerBroken("output_unwritten", f"the server answered OK without writing {name}")
    return region.read(offset, answer.dtype, answer.shape)
