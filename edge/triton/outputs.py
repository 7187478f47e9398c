"""What every answer must be before anybody believes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.ports import InferRequest
from edge.triton.status import ServerBroken

# All bits set: NaN in floating point. Shared memory is filled with it before each request.
UNWRITTEN = 0xFF


def checked(request: InferRequest, outputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The outputs asked for; raises ServerBroken unless dtype and shape fit and all numbers are finite."""
    found: dict[str, NDArray[Any]] = {}
    for name, spec in request.outputs.items():
        array = outputs.get(name)
        if array is None:
            raise ServerBroken("output_missing", f"{request.model} answered without {name}")
        if array.dtype != np.dtype(spec.dtype):
            raise ServerBroken("output_dtype", f"{name} is {array.dtype}, not {spec.dtype}")
        if array.shape != spec.shape:
            raise ServerBroken("output_shape", f"{name} has shape {array.shape}, not {spec.shape}")
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise ServerBroken("output_not_finite", f"{name} holds NaN or infinity")
        found[name] = array
    return found
