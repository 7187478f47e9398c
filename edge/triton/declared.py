"""Inputs in the type that the served model declares: a TensorRT plan has no 16-bit integers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# HU in int16 to what may carry them. FP16 is exact from -2048 to 2048 and off by at most 8 beyond,
# where every window has long been clipped.
_CARRIERS: dict[tuple[str, str], type[np.generic]] = {
    ("int16", "FP16"): np.float16,
    ("int16", "FP32"): np.float32,
    ("int16", "INT32"): np.int32,
}


def as_declared(inputs: Mapping[str, NDArray[Any]], declared: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """The inputs, int16 ones cast where the model wants a wider carrier; all else is left to be refused.

    `declared` is Triton's data type (INT16, FP16, ...) by input name.
    """
    found: dict[str, NDArray[Any]] = {}
    for name, array in inputs.items():
        carrier = _CARRIERS.get((array.dtype.name, declared.get(name, "")))
        found[name] = array if carrier is None else array.astype(carrier)
    return found
