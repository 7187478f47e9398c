"""A notation for ONNX graphs in which masks are 0.0 or 1.0 and pooling is morphology."""

from __future__ import annotations

from collections.abc import Iterable

import onnx
from onnx import TensorProto, helper


class Graph:
    """Nodes in the order they are called for; every method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def op(self, kind: str, *inputs: str, name: str = "", **attributes: object) -> str:
        output = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=f"n_{output}", **attributes))
        return output

    def number(self, value: float) -> str:
        return self._constant(f"c_{value!r}", TensorProto.FLOAT, [], [value])

    def integers(self, *values: int) -> str:
        return self._constant(
            "i_" + "_".join(map(str, values)), TensorProto.INT64, [len(values)], list(values)
        )

    def integer(self, value: int) -> str:
        return self._constant(f"s_{value}", TensorProto.INT64, [], [value])

    def scales(self, factor: int) -> str:
        return self._constant(f"scales_{factor}", TensorProto.FLOAT, [4], [1.0, 1.0, factor, factor])

    def tensor(self, name: str, shape: list[int], values: Iterable[float]) -> str:
        return self._constant(name, TensorProto.FLOAT, shape, list(values))

    def _constant(self, name: str, kind: int, shape: list[int], values: list[float]) -> str:
        self.constants.setdefault(name, helper.make_tensor(name, kind, shape, values))
        return name

    # Arithmetic with numbers.
    def add(self, a: str, b: str | float) -> str:
        return self.op("Add", a, b if isinstance(b, str) else self.number(b))

    def sub(self, a: str | float, b: str | float) -> str:
        names = [x if isinstance(x, str) else self.number(x) for x in (a, b)]
        return self.op("Sub", *names)

    def mul(self, a: str, b: str | float) -> str:
        return self.op("Mul", a, b if isinstance(b, str) else self.number(b))

    def div(self, a: str, b: str | float) -> str:
        return self.op("Div", a, b if isinstance(b, str) else self.number(b))

    def clip(self, a: str, low: float, high: float) -> str:
        return self.op("Clip", a, self.number(low), self.number(high))

    # Morphology on masks.
    def above(self, a: str, threshold: float) -> str:
        return self.op("Cast", self.op("Greater", a, self.number(threshold)), to=TensorProto.FLOAT)

    def invert(self, mask: str) -> str:
        return self.sub(1.0, mask)

    def dilate(self, mask: str, size: int) -> str:
        """Maximum over a square of `size` pixels, rows and columns apart because that is cheaper."""
        half = size // 2
        rows = self.op("MaxPool", mask, kernel_shape=[size, 1], pads=[half, 0, half, 0])
        return self.op("MaxPool", rows, kernel_shape=[1, size], pads=[0, half, 0, half])

    def erode(self, mask: str, size: int) -> str:
        return self.op("Neg", self.dilate(self.op("Neg", mask), size))

    def opened(self, mask: str, size: int) -> str:
        return self.dilate(self.erode(mask, size), size)

    def closed(self, mask: str, size: int) -> str:
        return self.erode(self.dilate(mask, size), size)

    def mean(self, a: str, size: int) -> str:
        """Mean over a square; what lies outside the image counts as 0."""
        half = size // 2
        rows = self.op("AveragePool", a, kernel_shape=[size, 1], pads=[half, 0, half, 0], count_include_pad=1)
        return self.op(
            "AveragePool", rows, kernel_shape=[1, size], pads=[0, half, 0, half], count_include_pad=1
        )

    def axis_length(self, tensor: str, axis: int) -> str:
        """Length of an axis as a scalar INT64."""
        shape = self.op("Shape", tensor, start=axis, end=axis + 1)
        return self.op("Squeeze", shape, self.integers(0))
