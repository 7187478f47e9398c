from __future__ import annotations

import numpy as np
import pytest

from edge.triton.declared import as_declared

HU = np.arange(-2048, 2049, dtype=np.int16)


@pytest.mark.parametrize(
    ("declared", "dtype"), [("FP16", "float16"), ("FP32", "float32"), ("INT32", "int32")]
)
def test_hu_keep_their_value_in_the_type_that_the_model_wants(declared: str, dtype: str) -> None:
    cast = as_declared({"slab_hu": HU}, {"slab_hu": declared})["slab_hu"]
    assert cast.dtype == np.dtype(dtype)
    assert (cast.astype(np.int64) == HU).all()


def test_beyond_2048_hu_fp16_rounds_and_never_overflows() -> None:
    every = np.arange(-32768, 32768).astype(np.int16)
    cast = as_declared({"slab_hu": every}, {"slab_hu": "FP16"})["slab_hu"]
    assert np.isfinite(cast).all()
    assert np.abs(cast.astype(np.int64) - every).max() == 8


@pytest.mark.parametrize("declared", ["INT16", "INT8", "UINT8", "FP64", "", "BYTES"])
def test_a_type_that_might_lose_something_is_left_for_the_server_to_refuse(declared: str) -> None:
    assert as_declared({"slab_hu": HU}, {"slab_hu": declared})["slab_hu"].dtype == np.int16


def test_only_hu_are_cast() -> None:
    spacing = np.ones((1, 2), np.float32)
    cast = as_declared({"pixel_spacing_mm": spacing, "unknown": HU}, {"pixel_spacing_mm": "FP16"})
    assert cast["pixel_spacing_mm"] is spacing
    assert cast["unknown"] is HU
