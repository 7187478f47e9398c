"""The process that touches TensorRT: builds one plan, or has one answer golden cases.

A crash of TensorRT ends this process and nothing else. Standard input is one JSON job; the reply is
the last line of standard output.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.builder.cuda import CudaFailed, DeviceMemory
from edge.builder.tensorrt_api import BuilderConfig, Engine, Runtime, TensorRt, network_flags, tensorrt
from edge.golden import GoldenCase, load_golden_cases
from edge.models.slab_segmentation import SLAB_HU


class JobFailed(Exception):
    """TensorRT said no; the message is for a person.

    `memory`: too little of it is a likely cause, which TensorRT tells its log alone.
    """

    def __init__(self, message: str, *, memory: bool = False) -> None:
        super().__init__(message)
        self.memory = memory


def build(trt: TensorRt, job: Mapping[str, Any]) -> dict[str, Any]:
    """Writes plan, timing cache and the inspector's record where the job says."""
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(network_flags(trt))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(job["onnx"]):
        said = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
        raise JobFailed(f"TensorRT cannot parse the graph: {said}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, int(job["workspace_mib"]) << 20)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    _remember_timings(config, Path(job["timing_cache"]))
    profile = builder.create_optimization_profile()
    for name, (smallest, usual, largest) in job["shapes"].items():
        profile.set_shape(name, smallest, usual, largest)
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise JobFailed("TensorRT built no engine; its messages are above", memory=True)
    Path(job["plan"]).write_bytes(bytes(plan))
    Path(job["timing_cache"]).write_bytes(bytes(config.get_timing_cache().serialize()))
    runtime = trt.Runtime(logger)
    engine = _engine(runtime, Path(job["plan"]))
    inspected = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    Path(job["inspector"]).write_text(inspected)
    return {"tensorrt": trt.__version__}


def answer(trt: TensorRt, job: Mapping[str, Any]) -> dict[str, Any]:
    """What the plan makes of every golden case of a model folder: complaints, empty when all is well."""
    runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
    engine = _engine(runtime, Path(job["plan"]))
    memory = DeviceMemory()
    complaints: list[str] = []
    cases = load_golden_cases(Path(job["model_folder"]))
    for case in cases:
        mismatch = case.mismatch(_answered(trt, engine, memory, case))
        if mismatch is not None:
            complaints.append(f"golden case {case.name}: {mismatch}")
    return {"tensorrt": trt.__version__, "complaints": complaints, "cases": len(cases)}


def say_version(trt: TensorRt, job: Mapping[str, Any]) -> dict[str, Any]:
    """The version by which plans are kept apart."""
    return {"tensorrt": trt.__version__}


def _answered(
    trt: TensorRt, engine: Engine, memory: DeviceMemory, case: GoldenCase
) -> dict[str, NDArray[Any]]:
    context = engine.create_execution_context()
    if context is None:
        raise JobFailed("TensorRT gave no execution context", memory=True)
    for name, given in case.inputs.items():
        array = given.astype(np.float16) if name == SLAB_HU else given
        _same_type(trt, engine, name, array.dtype.name)
        address = memory.allocate(array.nbytes)
        memory.upload(address, array)
        context.set_input_shape(name, array.shape)
        context.set_tensor_address(name, address)
    found: dict[str, tuple[int, NDArray[Any]]] = {}
    for name, expected in case.outputs.items():
        _same_type(trt, engine, name, expected.dtype.name)
        shape = tuple(int(n) for n in context.get_tensor_shape(name))
        if shape != expected.shape:
            raise JobFailed(f"{name} has shape {shape}, not {expected.shape}")
        found[name] = (memory.allocate(expected.nbytes), np.empty_like(expected))
        context.set_tensor_address(name, found[name][0])
    if not context.execute_async_v3(memory.stream):
        raise JobFailed(f"TensorRT did not run golden case {case.name}")
    for address, array in found.values():
        memory.download(address, array)
    return {name: array for name, (_, array) in found.items()}


def _same_type(trt: TensorRt, engine: Engine, name: str, dtype: str) -> None:
    kinds = {"float32": trt.DataType.FLOAT, "float16": trt.DataType.HALF, "uint8": trt.DataType.UINT8}
    if name not in set(_tensor_names(engine)) or engine.get_tensor_dtype(name) != kinds[dtype]:
        raise JobFailed(f"the plan has no tensor {name} of type {dtype}")


def _tensor_names(engine: Engine) -> Iterator[str]:
    return (engine.get_tensor_name(i) for i in range(engine.num_io_tensors))


def _engine(runtime: Runtime, plan: Path) -> Engine:
    """Lives no longer than its runtime."""
    engine = runtime.deserialize_cuda_engine(plan.read_bytes())
    if engine is None:
        raise JobFailed("TensorRT does not take the plan it built", memory=True)
    return engine


def _remember_timings(config: BuilderConfig, path: Path) -> None:
    """A cache of another GPU or version is not taken, and a fresh one begun."""
    stored = path.read_bytes() if path.exists() else b""
    if not config.set_timing_cache(config.create_timing_cache(stored), False):
        config.set_timing_cache(config.create_timing_cache(b""), False)


JOBS = {"build": build, "answer": answer, "version": say_version}


def main() -> None:
    """Runs the job on standard input and replies {"ok": …} or {"failed": …, "memory": …}."""
    job: dict[str, Any] = json.load(sys.stdin)
    try:
        reply = {"ok": JOBS[job["do"]](tensorrt(), job)}
    except (JobFailed, CudaFailed) as error:
        reply = {"failed": str(error), "memory": error.memory}
    except MemoryError:
        reply = {"failed": "no memory is left for TensorRT's process", "memory": True}
    except ImportError as error:
        reply = {"failed": str(error), "memory": False}
    sys.stdout.write("\n" + json.dumps(reply) + "\n")


if __name__ == "__main__":
    main()
