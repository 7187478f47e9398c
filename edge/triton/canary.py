"""The known answer that decides whether a server is trusted: ready stays 200 with a dead stub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import RefuseModel
from edge.ports import InferenceServer, InferRequest, TensorSpec
from edge.triton.status import ServerBroken

CANARY = "canary.npz"
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
                wrong = bool((apart > FLOAT_TOLERANCE).any())
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


@dataclass(frozen=True)
class Canary:
    """The golden case of one model, asked of any server."""

    model: str
    case: GoldenCase
    deadline_s: float

    async def check(self, server: InferenceServer) -> None:
        """Returns when the known answer came; raises what `infer` raises, ServerBroken for another one."""
        result = await server.infer(self.case.request(self.model, self.deadline_s))
        mismatch = self.case.mismatch(result.outputs)
        if mismatch is not None:
            raise ServerBroken("canary_mismatch", f"{self.model} answered the canary wrongly: {mismatch}")


def load_canary(model_folder: Path, deadline_s: float) -> Canary:
    """The canary of a model folder, `golden/canary.npz`; raises RefuseModel without one."""
    return Canary(model_folder.name, load_golden_case(model_folder / "golden" / CANARY), deadline_s)
