"""tritonclient's gRPC client with types: the boundary to a library that ships none."""

# tritonclient has no stubs and no py.typed, so everything of it is unknown to pyright; nothing
# unknown leaves this file.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput, InferRequestedOutput, InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, triton_to_np_dtype

from edge.ports import InferRequest
from edge.triton.regions import Place

_CHANNEL_ARGUMENTS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # gRPC would wait up to two minutes before it looks for a restarted server again.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
]


class CallFailed(Exception):
    """A gRPC call ended with a status other than OK; `code` in snake_case."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Answer:
    """One output as the server described it; `array` is None when it went into shared memory."""

    dtype: str
    shape: tuple[int, ...]
    array: NDArray[Any] | None


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """How a server describes a model: its platform (tensorrt_plan, python), data type by input, versions."""

    platform: str
    inputs: Mapping[str, str]
    versions: tuple[str, ...] = ()


class GrpcChannel:
    """One connection; belongs to the event loop that first awaits it. All calls raise CallFailed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: InferenceServerClient | None = None

    @property
    def _client(self) -> InferenceServerClient:
        if self._opened is None:
            self._opened = InferenceServerClient(self._url, channel_args=_CHANNEL_ARGUMENTS)
        return self._opened

    async def infer(
        self, request: InferRequest, places: Mapping[str, Place], timeout_s: float
    ) -> dict[str, Answer]:
        """`places` holds the tensors that lie in shared memory, inputs already written."""
        inputs = [_input(name, array, places.get(name)) for name, array in request.inputs.items()]
        outputs = [_output(name, places.get(name)) for name in request.outputs]
        result: InferResult = await _await(
            self._client.infer(request.model, inputs, outputs=outputs, client_timeout=timeout_s)
        )
        return {str(o.name): _answer(result, o, places) for o in result.get_response().outputs}

    async def register(self, region: str, byte_size: int, timeout_s: float) -> None:
        await _await(
            self._client.register_system_shared_memory(
                region, f"/{region}", byte_size, client_timeout=timeout_s
            )
        )

    async def unregister(self, region: str, timeout_s: float) -> None:
        await _await(self._client.unregister_system_shared_memory(region, client_timeout=timeout_s))

    async def load(self, model: str, timeout_s: float) -> None:
        await _await(self._client.load_model(model, client_timeout=timeout_s))

    async def unload(self, model: str, timeout_s: float) -> None:
        await _await(self._client.unload_model(model, client_timeout=timeout_s))

    async def ready(self, model: str, timeout_s: float) -> bool:
        return bool(await _await(self._client.is_model_ready(model, client_timeout=timeout_s)))

    async def ready_models(self, timeout_s: float) -> frozenset[str]:
        said = await _await(self._client.get_model_repository_index(client_timeout=timeout_s))
        return frozenset(str(m.name) for m in said.models if m.state == "READY")

    async def metadata(self, model: str, timeout_s: float) -> ModelMetadata:
        said = await _await(self._client.get_model_metadata(model, client_timeout=timeout_s))
        inputs = {str(i.name): str(i.datatype) for i in said.inputs}
        return ModelMetadata(str(said.platform), inputs, tuple(str(v) for v in said.versions))

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()
            self._opened = None


async def _await(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except InferenceServerException as error:
        status = str(error.status() or "unknown")
        code = status.removeprefix("StatusCode.").lower()
        raise CallFailed(code, str(error.message())) from error


def _input(name: str, array: NDArray[Any], place: Place | None) -> InferInput:
    tensor = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    if place is None:
        tensor.set_data_from_numpy(np.ascontiguousarray(array))
    else:
        tensor.set_shared_memory(place.region, place.byte_size, place.offset)
    return tensor


def _output(name: str, place: Place | None) -> InferRequestedOutput:
    output = InferRequestedOutput(name)
    if place is not None:
        output.set_shared_memory(place.region, place.byte_size, place.offset)
    return output


def _answer(result: InferResult, output: Any, places: Mapping[str, Place]) -> Answer:
    """Raises CallFailed data_loss for fewer bytes than the shape promises."""
    name = str(output.name)
    array: NDArray[Any] | None = None
    if name not in places:
        try:
            array = result.as_numpy(name)
        except ValueError as error:
            raise CallFailed("data_loss", f"{name}: {error}") from error
        if array is None:
            raise CallFailed("data_loss", f"{name} came without data")
    dtype = np.dtype(triton_to_np_dtype(output.datatype) or np.void).name
    return Answer(dtype, tuple(int(n) for n in output.shape), array)
