"""A graph in FP16, or in INT8 with explicit Q/DQ nodes; precision lives in the ONNX, not in TensorRT."""

# The converters of ONNX Runtime have neither stubs nor full annotations; nothing unknown leaves this file.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from edge.builder.coordinates import coordinate_nodes
from edge.builder.session import Tensors
from edge.errors import RefuseModel

# GridSample needs its grid in the type of its image; sums over an image exceed 65504.
_FP32_OPERATORS = ["GridSample", "Range", "ReduceSum", "ReduceMean", "ReduceSumSquare", "CumSum", "TopK"]
_INT8_OPERATORS = ["Conv", "ConvTranspose", "Gemm", "MatMul"]


class Precision(StrEnum):
    """Of the weights and most activations; inputs and outputs stay what the contract says."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


def half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph in FP16 but for coordinates, sampling and sums; raises RefuseModel when that is nothing."""
    named = _named(model)
    converted = convert_float_to_float16(
        named,
        keep_io_types=True,
        op_block_list=_FP32_OPERATORS,
        node_block_list=sorted(coordinate_nodes(named)),
    )
    _skip_round_trips(converted)
    OnnxModel(converted).topological_sort()
    del converted.graph.value_info[:]
    return checked(converted)


def quantized(model: onnx.ModelProto, slabs: Iterable[Tensors]) -> onnx.ModelProto:
    """The graph with Q/DQ around its layers with weights, calibrated on `slabs`.

    In a graph without any weights it is the products of activations, and the gate tells whether that
    hurts. Raises RefuseModel for a graph without either.
    """
    if not any(n.op_type in _INT8_OPERATORS for n in model.graph.node):
        raise RefuseModel(f"the graph has no {', '.join(_INT8_OPERATORS)} that INT8 would speed up")
    with tempfile.TemporaryDirectory(prefix="edge-int8-") as folder:
        given, folded, out = (Path(folder) / f"{stage}.onnx" for stage in ("given", "folded", "int8"))
        onnx.save(_named(model), given)
        quant_pre_process(given, folded, skip_symbolic_shape=True)
        graph = _named(onnx.load(folded))
        onnx.save(graph, folded)
        log = logging.getLogger()
        level = log.level
        log.setLevel(logging.ERROR)  # it advises the preprocessing that has just been done
        try:
            quantize_static(
                folded,
                out,
                _Slabs(slabs),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_INT8_OPERATORS,
                nodes_to_quantize=_weighted(graph),
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                # TensorRT takes symmetric INT8 only, and biases in the precision of the layer.
                extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
            )
        finally:
            log.setLevel(level)
        return checked(onnx.load(out))


def checked(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with the operator sets it uses; raises RefuseModel when ONNX calls it malformed."""
    used = {n.domain for n in model.graph.node} | {""}
    kept = [o for o in model.opset_import if o.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise RefuseModel(f"the converted graph is malformed: {error}") from error
    return model


def _skip_round_trips(model: onnx.ModelProto) -> None:
    """Where FP32 goes to FP16 only to come back, the value itself is used: pixel spacing, coordinates."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    typed = [*inferred.value_info, *inferred.input]
    single = {v.name for v in typed if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    down = {n.output[0]: n.input[0] for n in model.graph.node if _casts_to(n, TensorProto.FLOAT16)}
    up = {n.output[0]: n.input[0] for n in model.graph.node if _casts_to(n, TensorProto.FLOAT)}
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            origin = down.get(up.get(name, ""), "")
            if origin in single:
                node.input[i] = origin
    read = {i for n in model.graph.node for i in n.input} | {o.name for o in model.graph.output}
    for _ in range(2):  # the cast up first, then the cast down that only it read
        kept = [n for n in model.graph.node if n.op_type != "Cast" or n.output[0] in read]
        del model.graph.node[:]
        model.graph.node.extend(kept)
        read = {i for n in kept for i in n.input} | {o.name for o in model.graph.output}


def _casts_to(node: onnx.NodeProto, kind: int) -> bool:
    return node.op_type == "Cast" and any(a.name == "to" and a.i == kind for a in node.attribute)


def _weighted(model: onnx.ModelProto) -> list[str]:
    """Names of the layers with weights; eight bits for HU that are merely resampled would drown blood."""
    weights = {t.name for t in model.graph.initializer}
    weights |= {n.output[0] for n in model.graph.node if n.op_type == "Constant"}
    products = [n for n in model.graph.node if n.op_type in _INT8_OPERATORS]
    return [n.name for n in products if any(i in weights for i in n.input[:2])]


def _named(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which every node has a name of its own, by which the converters are told what to leave."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    taken: set[str] = set()
    for i, node in enumerate(copy.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{i}_of_{len(copy.graph.node)}"
        taken.add(node.name)
    return copy


class _Slabs(CalibrationDataReader):
    def __init__(self, slabs: Iterable[Tensors]) -> None:
        self._slabs: Iterator[Tensors] = iter(slabs)

    def get_next(self) -> dict[str, Any] | None:  # pyright: ignore[reportIncompatibleMethodOverride] - as documented
        found = next(self._slabs, None)
        return None if found is None else dict(found)
