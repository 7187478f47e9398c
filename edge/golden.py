"""Requests whose answers are known; every server, variant and plan of a model must give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import RefuseModel
from edge.ports import InferRequest, TensorSpec

# FP16 engines on a GPU answer a little differently than ONNX Runtime, wrong ones a lot.
FLOAT_TOLERANCE = 0.02
BYTE_TOLERANCE = 8
BYTES_ALLOWED_TO_DIFFER = 0.002


@dataclass(frozen=True)
class GoldenCase:
    """A request whose answer is known; arrays are named `input.<tensor>` and `output.<tensor>`."""

    name: str
    inputs: Mapping[str, NDArray[Any]]
    outputs: Mapping[str, NDArray[Any]]

    def request(self, model: str, deadline_s: float) -> InferRequest:
        specs = {n: TensorSpec(a.dtype.name, a.shape) for n, a in self.outputs.items()}
        return InferRequest(model, self.inputs, specs, deadline_s)

    def mismatch(self, outputs: Mapping[str, NDArray[Any]]) -> str | None:
        """What differs by more than the tolerance, or None."""
        for name, expected in self.outputs.items():
            found = outputs[name]
            apart = np.abs(found.astype(np.float64) - expected.astype(np.float64))
            if np.issubdtype(expected.dtype, np.floating):
                wrong = not bool((apart <= FLOAT_TOLERANCE).all())
            else:
                wrong = float((apart > BYTE_TOLERANCE).mean()) > BYTES_ALLOWED_TO_DIFFER
            if wrong:
                return f"{name} is off by up to {apart.max():.3g}"
        return None


def load_golden_case(path: Path) -> GoldenCase:
    """Raises RefuseModel when the file is missing or holds no pair of inputs and outputs."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            named = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError) as error:
        raise RefuseModel(f"{path}: {error}", hint="Make it with the model's build script.") from error
    inputs = {n.removeprefix("input."): a for n, a in named.items() if n.startswith("input.")}
    outputs = {n.removeprefix("output."): a for n, a in named.items() if n.startswith("output.")}
    if not inputs or not outputs:
        raise RefuseModel(f"{path}: needs arrays named input.<tensor> and output.<tensor>")
    return GoldenCase(path.stem, inputs, outputs)


def load_golden_cases(model_folder: Path) -> tuple[GoldenCase, ...]:
    """Every case of a model folder, by name."""
    return tuple(load_golden_case(p) for p in sorted((model_folder / "golden").glob("*.npz")))
