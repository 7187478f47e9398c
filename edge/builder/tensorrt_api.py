"""What the builder uses of TensorRT 10.3 to 11.x, with types; tests look every name up in its bindings.

Left out on purpose, because 11 took them away: FP16 and INT8 builder flags, calibrators, precision
per layer, dynamic ranges, EXPLICIT_BATCH. Precision lives in the ONNX, networks are strongly typed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

# IHostMemory speaks the buffer protocol, Dims is a sequence of sizes.
HostMemory = memoryview
Dims = Sequence[int]


class ParserError(Protocol):
    """IParserError."""

    def desc(self) -> str: ...


class OnnxParser(Protocol):
    """OnnxParser."""

    num_errors: int

    def parse_from_file(self, model: str, /) -> bool: ...
    def get_error(self, index: int, /) -> ParserError: ...


class TimingCache(Protocol):
    """ITimingCache."""

    def serialize(self) -> HostMemory: ...


class Profile(Protocol):
    """IOptimizationProfile."""

    def set_shape(
        self, tensor: str, low: Sequence[int], opt: Sequence[int], high: Sequence[int], /
    ) -> None: ...


class BuilderConfig(Protocol):
    """IBuilderConfig."""

    profiling_verbosity: Any

    def set_memory_pool_limit(self, pool: Any, pool_size: int, /) -> None: ...
    def create_timing_cache(self, serialized: bytes, /) -> TimingCache: ...
    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool, /) -> bool: ...
    def get_timing_cache(self) -> TimingCache: ...
    def add_optimization_profile(self, profile: Profile) -> int: ...


class Builder(Protocol):
    """Builder; `build_serialized_network` gives None when it fails."""

    def create_network(self, flags: int, /) -> Any: ...
    def create_builder_config(self) -> BuilderConfig: ...
    def create_optimization_profile(self) -> Profile: ...
    def build_serialized_network(self, network: Any, config: BuilderConfig) -> HostMemory | None: ...


class Inspector(Protocol):
    """EngineInspector."""

    def get_engine_information(self, form: Any, /) -> str: ...


class ExecutionContext(Protocol):
    """IExecutionContext."""

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool: ...
    def get_tensor_shape(self, name: str) -> Dims: ...
    def set_tensor_address(self, name: str, memory: int, /) -> bool: ...
    def execute_async_v3(self, stream_handle: int, /) -> bool: ...


class Engine(Protocol):
    """ICudaEngine."""

    num_io_tensors: int

    def get_tensor_name(self, index: int, /) -> str: ...
    def get_tensor_dtype(self, name: str) -> Any: ...
    def create_engine_inspector(self) -> Inspector: ...
    def create_execution_context(self) -> ExecutionContext | None: ...


class Runtime(Protocol):
    """Runtime; without a GPU `deserialize_cuda_engine` ends the process."""

    def deserialize_cuda_engine(self, serialized_engine: bytes, /) -> Engine | None: ...


class DataType(Protocol):
    """DataType, as far as the contract's tensors go."""

    FLOAT: Any
    HALF: Any
    UINT8: Any


class TensorRt(Protocol):
    """The module `tensorrt`."""

    __version__: str
    DataType: DataType
    Logger: Any
    MemoryPoolType: Any
    ProfilingVerbosity: Any
    LayerInformationFormat: Any
    NetworkDefinitionCreationFlag: Any

    def Builder(self, logger: Any) -> Builder: ...  # noqa: N802 - a class there
    def OnnxParser(self, network: Any, logger: Any) -> OnnxParser: ...  # noqa: N802 - a class there
    def Runtime(self, logger: Any) -> Runtime: ...  # noqa: N802 - a class there


# Members of enumerations, which the Protocols above leave to TensorRT.
ENUMERATORS = ("WARNING", "WORKSPACE", "DETAILED", "JSON", "STRONGLY_TYPED")


def tensorrt() -> TensorRt:
    """The module; raises ImportError. Only for a process of its own on a machine with a GPU."""
    import tensorrt as module  # pyright: ignore[reportMissingImports]  # noqa: PLC0415 - see above

    return cast("TensorRt", module)


def network_flags(trt: TensorRt) -> int:
    """Strongly typed in 10; in 11 every network is, and the flag is ignored."""
    if int(trt.__version__.split(".")[0]) >= 11:
        return 0
    return 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
