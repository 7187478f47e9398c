"""Which nodes of a graph compute where a pixel lies; those lose pixels when they lose precision.

Half precision counts to 2048 and knows a coordinate in -1..1 to a quarter of a pixel of 512.
"""

from __future__ import annotations

import onnx

from edge.models.slab_segmentation import PIXEL_SPACING_MM

_COUNTS = frozenset({"Shape", "Size", "Range"})
# They take coordinates, or weights made of them, and give image values.
_INTO_IMAGES = frozenset({"GridSample", "MatMul", "Gemm", "Conv", "ConvTranspose"})
# What they give is a coordinate if their first input is.
_BY_FIRST_INPUT = frozenset({"Slice", "Pad", "Resize", "Gather", "Reshape", "Expand", "Tile"})
# Above these lies the network itself, whatever is computed from its answer.
_NETWORK = frozenset({"Conv", "ConvTranspose"})


def coordinate_nodes(model: onnx.ModelProto) -> frozenset[str]:
    """Names of the nodes that compute coordinates, that those are computed from, and that resample by them.

    Every node must have a name of its own.
    """
    nodes = list(model.graph.node)
    producer = {output: node for node in nodes for output in node.output}
    coordinates = {PIXEL_SPACING_MM}
    found: dict[str, onnx.NodeProto] = {}
    resampling: set[str] = set()
    for node in nodes:  # a graph is in topological order (ONNX IR, "Graphs")
        if node.op_type in _COUNTS or _inherits(node, coordinates):
            coordinates.update(node.output)
            found[node.name] = node
        elif node.op_type == "GridSample" and node.input[1] in producer:
            found[producer[node.input[1]].name] = producer[node.input[1]]
        elif node.op_type == "MatMul" and any(i in coordinates for i in node.input):
            resampling.add(node.name)
    waiting = list(found.values())
    while waiting:
        for name in waiting.pop().input:
            source = producer.get(name)
            if source is not None and source.op_type not in _NETWORK and source.name not in found:
                found[source.name] = source
                waiting.append(source)
    return frozenset(found) | resampling


def _inherits(node: onnx.NodeProto, coordinates: set[str]) -> bool:
    if node.op_type in _INTO_IMAGES:
        return False
    read = node.input[:1] if node.op_type in _BY_FIRST_INPUT else node.input
    return any(name in coordinates for name in read)
