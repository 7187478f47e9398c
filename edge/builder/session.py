"""ONNX Runtime in this process, with types: what a graph answers, for judging it before it serves."""

# onnxruntime has no stubs and half its annotations; nothing unknown leaves this file.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as status

from edge.errors import RefuseModel
from edge.models.slab_segmentation import MASK, PROBABILITY

_REFUSALS = (status.Fail, status.InvalidArgument, status.InvalidGraph, status.NotImplemented)

Tensors = Mapping[str, NDArray[Any]]


class Session:
    """One graph on one core; raises RefuseModel for a graph that ONNX Runtime does not take."""

    def __init__(self, model: onnx.ModelProto) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except _REFUSALS as error:
            raise RefuseModel(f"ONNX Runtime refuses the graph: {error}") from error

    def answer(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Probability and mask of one batch."""
        names = [PROBABILITY, MASK]
        found = self._session.run(names, dict(inputs))
        return {name: np.asarray(array) for name, array in zip(names, found, strict=True)}


def read_graph(path: Path) -> onnx.ModelProto:
    """The graph in a file."""
    return onnx.load(path)


def write_graph(model: onnx.ModelProto, path: Path) -> None:
    """The same bytes for the same graph."""
    path.write_bytes(model.SerializeToString(deterministic=True))
