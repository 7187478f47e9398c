"""The graph as TensorRT takes it: it has no 16-bit integer tensors, so `slab_hu` comes as FP16.

FP16 holds every HU from -2048 to 2048 exactly and rounds beyond by at most 8 of 32767, far outside
of any window that a model looks through.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto

from edge.errors import RefuseModel
from edge.models.slab_segmentation import SLAB_HU

_INSIDE = {
    TensorProto.FLOAT: "FP32",
    TensorProto.FLOAT16: "FP16",
    TensorProto.INT8: "INT8",
    TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT64",
    TensorProto.BOOL: "BOOL",
}
# TensorRT has UINT8 at the edge of a network only, behind a cast.
_OUTSIDE = {**_INSIDE, TensorProto.UINT8: "UINT8"}


def for_tensorrt(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with `slab_hu` in FP16; raises RefuseModel when TensorRT lacks a type that is left."""
    rewritten = onnx.ModelProto()
    rewritten.CopyFrom(model)
    del rewritten.graph.value_info[:]
    for value in rewritten.graph.input:
        if value.name == SLAB_HU:
            value.type.tensor_type.elem_type = TensorProto.FLOAT16
    try:
        # Strict: an operator that took INT16 and does not take FP16 is found here.
        inferred = onnx.shape_inference.infer_shapes(rewritten, check_type=True, strict_mode=True).graph
    except onnx.shape_inference.InferenceError as error:
        raise RefuseModel(
            f"{SLAB_HU} cannot be FP16 in this graph: {error}",
            hint="Let the graph begin with a Cast of slab_hu to FP32.",
        ) from error
    outputs = {v.name for v in inferred.output}
    edge = [*((v, _OUTSIDE) for v in (*inferred.input, *inferred.output))]
    inside = [(v, _INSIDE) for v in inferred.value_info if v.name not in outputs]
    for value, known in (*edge, *inside):
        kind = value.type.tensor_type.elem_type
        if kind not in known:
            raise RefuseModel(f"{value.name} is {TensorProto.DataType.Name(kind)}, which TensorRT lacks")
    return rewritten
