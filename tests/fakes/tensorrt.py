"""TensorRT and a GPU's memory as far as edge.builder.tensorrt_child uses them; ONNX Runtime computes.

Its names are those of tensorrt_api.py, which tests/contract/test_tensorrt.py looks up in the real
bindings; the plan of a real GPU is built there too, where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from edge.builder.session import Session

TYPES = {"slab_hu": "HALF", "pixel_spacing_mm": "FLOAT", "probability": "FLOAT", "mask": "UINT8"}


class FakeMemory:
    """Addresses are keys; what is downloaded is what was last put there."""

    content: dict[int, np.ndarray]
    stream = 7

    def __init__(self) -> None:
        FakeMemory.content = {}

    def allocate(self, byte_size: int) -> int:
        address = 4096 * (len(self.content) + 1)
        self.content[address] = np.zeros(byte_size, np.uint8)
        return address

    def upload(self, address: int, array: np.ndarray) -> None:
        assert array.nbytes == self.content[address].nbytes
        self.content[address] = array

    def download(self, address: int, array: np.ndarray) -> None:
        array[...] = self.content[address].reshape(array.shape)


class FakeTensorRt:
    """A plan is the ONNX it was built from."""

    class DataType:
        FLOAT, HALF, UINT8 = "FLOAT", "HALF", "UINT8"

    class Logger:
        WARNING = 2

        def __init__(self, severity: int) -> None:
            pass

    class MemoryPoolType:
        WORKSPACE = "workspace"

    class ProfilingVerbosity:
        DETAILED = "detailed"

    class LayerInformationFormat:
        JSON = "json"

    class NetworkDefinitionCreationFlag:
        STRONGLY_TYPED = 1

    def __init__(self, version: str = "10.3.0") -> None:
        self.__version__ = version
        self.flags: list[int] = []
        self.profiled: dict[str, tuple[Sequence[int], ...]] = {}
        self.taken_caches: list[bytes] = []
        self.builds = True
        self.tensor_types = dict(TYPES)

    def Builder(self, logger: Any) -> _Builder:  # noqa: N802 - TensorRT's name
        return _Builder(self)

    def OnnxParser(self, network: Any, logger: Any) -> _Parser:  # noqa: N802 - TensorRT's name
        return _Parser(network)

    def Runtime(self, logger: Any) -> _Runtime:  # noqa: N802 - TensorRT's name
        return _Runtime(self)


class _Network:
    content = b""


class _Parser:
    num_errors = 0

    def __init__(self, network: _Network) -> None:
        self._network = network

    def parse_from_file(self, path: str) -> bool:
        with open(path, "rb") as opened:
            self._network.content = opened.read()
        self.num_errors = int(self._network.content.startswith(b"no graph"))
        return not self.num_errors

    def get_error(self, index: int) -> _Parser:
        return self

    def desc(self) -> str:
        return "no importer for Nonsense"


class _Cache:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> memoryview:
        return memoryview(self.content + b"+timed")


class _Builder:
    """Also its own configuration and profile: what matters is what they were told."""

    profiling_verbosity: object = None

    def __init__(self, trt: FakeTensorRt) -> None:
        self._trt = trt
        self._cache = _Cache(b"")

    def create_network(self, flags: int) -> _Network:
        self._trt.flags.append(flags)
        return _Network()

    def create_builder_config(self) -> _Builder:
        return self

    def set_memory_pool_limit(self, pool: object, size: int) -> None:
        assert pool == "workspace"
        assert size >= 1 << 20

    def create_timing_cache(self, content: bytes) -> _Cache:
        return _Cache(content)

    def set_timing_cache(self, cache: _Cache, ignore_mismatch: bool) -> bool:
        assert ignore_mismatch is False
        if cache.content.startswith(b"of another GPU"):
            return False
        self._cache = cache
        self._trt.taken_caches.append(cache.content)
        return True

    def get_timing_cache(self) -> _Cache:
        return self._cache

    def create_optimization_profile(self) -> _Builder:
        return self

    def set_shape(self, name: str, *shapes: Sequence[int]) -> None:
        self._trt.profiled[name] = shapes

    def add_optimization_profile(self, profile: object) -> int:
        return 0

    def build_serialized_network(self, network: _Network, config: object) -> memoryview | None:
        return memoryview(network.content) if self._trt.builds else None


class _Runtime:
    def __init__(self, trt: FakeTensorRt) -> None:
        self._trt = trt

    def deserialize_cuda_engine(self, plan: bytes) -> _Engine | None:
        return _Engine(self._trt, plan) if plan.startswith(b"\x08") else None


class _Engine:
    """Also its own inspector and execution context."""

    num_io_tensors = len(TYPES)

    def __init__(self, trt: FakeTensorRt, plan: bytes) -> None:
        self._trt, self._plan = trt, plan
        self._shapes: dict[str, Sequence[int]] = {}
        self._addresses: dict[str, int] = {}

    def get_tensor_name(self, index: int) -> str:
        return list(TYPES)[index]

    def get_tensor_dtype(self, name: str) -> str:
        return self._trt.tensor_types[name]

    def create_engine_inspector(self) -> _Engine:
        return self

    def get_engine_information(self, form: str) -> str:
        return '{"Layers": []}'

    def create_execution_context(self) -> _Engine:
        return self

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        self._shapes[name] = shape
        return True

    def get_tensor_shape(self, name: str) -> Sequence[int]:
        batch, _, rows, columns = self._shapes["slab_hu"]
        return (batch, 1) if name == "probability" else (batch, 1, rows, columns)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        assert stream == FakeMemory.stream
        given = {n: FakeMemory.content[self._addresses[n]] for n in self._shapes}
        for name, array in Session(onnx.load_model_from_string(self._plan)).answer(given).items():
            FakeMemory.content[self._addresses[name]] = array
        return True
