"""Builds 1/model.onnx, the digest in clinical.toml and the golden cases; the same model every time.

No weights are trained: the graph is written down here, its numbers were chosen on phantoms and on
one real negative (see README.md). `python -m model_repo.ct_head_hyperdensity.build_model`, from the
checkout; with a folder as argument it writes there instead.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from edge.imaging.phantom import Acquisition, Bleed, BleedType, head_phantom
from model_repo.ct_head_hyperdensity.graph import Graph

HERE = Path(__file__).resolve().parent
OPSET = 18
IR_VERSION = 9

# The working grid: square, isotropic, centred on the bone of the slice.
GRID = 240
GRID_MM = 1.1

BONE_HU = 150.0
CALCIUM_HU = 105.0
# Above the local background of brain: nothing, certain.
RAMP_HU = (11.0, 20.0)
BACKGROUND_HU = (24.0, 45.0)
BACKGROUND_REACH = 10
FLOOD_STEPS = 96
BONE_MARGIN = 5
CALCIUM_MARGIN = 7
OPENING = 3
INSIDE_GROWTH = 5
# Window in grid pixels, hyperdense area in it that means probability 0.5: clots, and layers along the skull.
HALF_AREA_MM2 = ((19, 110.0), (45, 180.0))
STEEPNESS = 4.0

GOLDEN_SEED = 7
GOLDEN_SCAN = Acquisition(rows=128, columns=128, pixel_spacing_mm=1.8, slices=30, spacing_mm=5.0)
GOLDEN = {
    "canary": (Bleed(BleedType.INTRAPARENCHYMAL, 30.0),),
    "epidural": (Bleed(BleedType.EPIDURAL, 30.0),),
    "no_bleed": (),
}


class Axis:
    """One image axis (2 rows, 3 columns): how its pixels and those of the working grid correspond."""

    def __init__(self, g: Graph, bone: str, spacing: str, axis: int) -> None:
        count = g.axis_length(bone, axis)
        self.count = g.op("Cast", count, to=TensorProto.FLOAT)
        index = g.op("Cast", g.op("Range", g.integer(0), count, g.integer(1)), to=TensorProto.FLOAT)
        profile = g.op("ReduceSum", bone, g.integers(1, 5 - axis), keepdims=0)
        weight = g.op("ReduceSum", profile, g.integers(1), keepdims=1)
        moment = g.op("ReduceSum", g.mul(profile, index), g.integers(1), keepdims=1)
        middle = g.mul(g.sub(self.count, 1.0), 0.5)
        # One imaginary bone pixel in the middle keeps this finite without any bone.
        self.centre = g.div(g.add(moment, middle), g.add(weight, 1.0))
        self.spacing = g.op("Gather", spacing, g.integers(axis - 2), axis=1)
        self.index = index

    def to_image(self, g: Graph) -> str:
        """Where in the image each grid pixel lies, [N, GRID], as GridSample counts (-1 to 1)."""
        offsets = [(i - (GRID - 1) / 2) * GRID_MM for i in range(GRID)]
        at = g.add(g.div(g.tensor("grid_offsets_mm", [1, GRID], offsets), self.spacing), self.centre)
        return g.sub(g.div(g.add(g.mul(at, 2.0), 1.0), self.count), 1.0)

    def to_grid(self, g: Graph) -> str:
        """Weights that interpolate from the grid to the image's pixels, [N, 1, length, GRID]."""
        offset = g.mul(g.sub(self.index, self.centre), g.mul(self.spacing, 1.0 / GRID_MM))
        at = g.op("Unsqueeze", g.add(offset, (GRID - 1) / 2), g.integers(1, 3))
        index = g.tensor("grid_index", [GRID], range(GRID))
        return g.op("Relu", g.sub(1.0, g.op("Abs", g.sub(at, index))))


def sample(g: Graph, image: str, rows: str, columns: str, **named: str) -> str:
    """`image` at the crossings of `rows` [N, R] and `columns` [N, C]; 0 outside."""
    y = g.op("Unsqueeze", rows, g.integers(2, 3))
    x = g.op("Unsqueeze", columns, g.integers(1, 3))
    zeros_y, zeros_x = g.mul(y, 0.0), g.mul(x, 0.0)
    grid = g.op("Concat", g.add(x, zeros_y), g.add(y, zeros_x), axis=3)
    return g.op("GridSample", image, grid, mode="bilinear", padding_mode="zeros", align_corners=0, **named)


def intracranial(g: Graph, bone: str) -> str:
    """Everything that a flood from the border of the grid cannot reach past the closed bone."""
    wall = g.op("MaxPool", g.closed(bone, 9), kernel_shape=[2, 2], strides=[2, 2])
    free = g.invert(wall)
    half = GRID // 2
    border = [float(r in (0, half - 1) or c in (0, half - 1)) for r in range(half) for c in range(half)]
    flood = g.mul(free, g.tensor("border", [1, 1, half, half], border))
    for _ in range(FLOOD_STEPS):
        # Four neighbours only: a diagonal step would slip through a thin wall.
        tall = g.op("MaxPool", flood, kernel_shape=[3, 1], pads=[1, 0, 1, 0])
        wide = g.op("MaxPool", flood, kernel_shape=[1, 3], pads=[0, 1, 0, 1])
        flood = g.mul(g.op("Max", tall, wide), free)
    enclosed = g.mul(free, g.invert(flood))
    # Brain is wide; orbits, sinuses and the spaces under the skull base are not.
    wide_places = g.dilate(g.opened(g.closed(enclosed, 7), 19), 19)
    enclosed = g.mul(enclosed, wide_places)
    return g.op(
        "Resize",
        enclosed,
        "",
        g.scales(2),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def surroundings(g: Graph, hu: str, tissue: str) -> str:
    """Mean HU of the tissue within some 45 mm, from every fourth grid pixel."""
    weighted, share = (
        g.mean(g.op("AveragePool", x, kernel_shape=[4, 4], strides=[4, 4]), 2 * BACKGROUND_REACH + 1)
        for x in (g.mul(hu, tissue), tissue)
    )
    coarse = g.clip(g.div(weighted, g.add(share, 1e-4)), *BACKGROUND_HU)
    return g.op("Resize", coarse, "", g.scales(4), mode="linear")


def largest_area_mm2(g: Graph, evidence: str, window: int) -> str:
    """The most evidence in any square of `window` grid pixels, [N, 1]: one clot, not scattered specks."""
    densest = g.op("GlobalMaxPool", g.mean(evidence, window))
    return g.op("Flatten", g.mul(densest, window * window * GRID_MM * GRID_MM))


def build() -> onnx.ModelProto:
    """The whole graph; see README.md for the idea of each step."""
    g = Graph()
    hu = g.op("Cast", "slab_hu", to=TensorProto.FLOAT)
    centre = g.op("Slice", hu, g.integers(1), g.integers(2), g.integers(1))
    bone_full = g.above(centre, 300.0)
    rows, columns = (Axis(g, bone_full, "pixel_spacing_mm", axis) for axis in (2, 3))
    # Shifted by the HU of air: GridSample pads with 0. Clipped, so that metal does not streak into means.
    lifted = g.add(g.clip(hu, -200.0, 400.0), 200.0)
    smooth = g.mean(lifted, 3)
    slab = g.sub(sample(g, smooth, rows.to_image(g), columns.to_image(g)), 200.0)
    below, middle, upper = (
        g.op("Slice", slab, g.integers(i), g.integers(i + 1), g.integers(1)) for i in range(3)
    )
    highest = g.op("Max", below, middle, upper)
    combined = g.add(g.mul(middle, 0.5), g.mul(g.add(below, upper), 0.25))
    bone = g.above(middle, BONE_HU)
    inside = intracranial(g, bone)
    near_bone = g.dilate(g.above(highest, BONE_HU), BONE_MARGIN)
    # The rim of the skull is dense too; a core of calcium has brain around it.
    deep = g.erode(g.closed(inside, 9), 13)
    near_calcium = g.dilate(g.mul(g.above(highest, CALCIUM_HU), deep), CALCIUM_MARGIN)
    usable = g.mul(g.dilate(inside, INSIDE_GROWTH), g.mul(g.invert(near_bone), g.invert(near_calcium)))
    tissue = g.mul(usable, g.above(combined, -10.0))
    background = surroundings(g, g.clip(combined, 0.0, BACKGROUND_HU[1]), tissue)
    level = g.div(g.mean(g.mul(combined, tissue), 3), g.add(g.mean(tissue, 3), 1e-4))
    excess = g.sub(g.sub(level, background), RAMP_HU[0])
    evidence = g.mul(g.clip(g.div(excess, RAMP_HU[1] - RAMP_HU[0]), 0.0, 1.0), tissue)
    evidence = g.opened(evidence, OPENING)
    ratios = [g.div(g.add(largest_area_mm2(g, evidence, w), 1.0), half) for w, half in HALF_AREA_MM2]
    ratio = g.op("Log", g.op("Max", *ratios))
    g.op("Sigmoid", g.mul(ratio, STEEPNESS), name="probability")
    # Two small matrix products: a third of the time that GridSample takes here.
    columns_spread = g.op("Transpose", columns.to_grid(g), perm=[0, 1, 3, 2])
    spread = g.op("MatMul", rows.to_grid(g), g.op("MatMul", evidence, columns_spread))
    bytes_ = g.op("Round", g.mul(g.clip(spread, 0.0, 1.0), 255.0))
    g.op("Cast", bytes_, to=TensorProto.UINT8, name="mask")
    return _model(g)


def _model(g: Graph) -> onnx.ModelProto:
    inputs = [
        helper.make_tensor_value_info("slab_hu", TensorProto.INT16, ["N", 3, "Y", "X"]),
        helper.make_tensor_value_info("pixel_spacing_mm", TensorProto.FLOAT, ["N", 2]),
    ]
    outputs = [
        helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N", 1]),
        helper.make_tensor_value_info("mask", TensorProto.UINT8, ["N", 1, "Y", "X"]),
    ]
    graph = helper.make_graph(g.nodes, "ct_head_hyperdensity", inputs, outputs, list(g.constants.values()))
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="edge")
    onnx.checker.check_model(model, full_check=True)
    return model


def write_model(folder: Path) -> str:
    """Writes `folder`/1/model.onnx and returns its SHA-256."""
    data = build().SerializeToString(deterministic=True)
    path = folder / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def write_golden(folder: Path) -> None:
    """What ONNX Runtime says of three slabs from synthetic heads; see edge/triton/canary.py."""
    session = ort.InferenceSession(folder / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    (folder / "golden").mkdir(exist_ok=True)
    for name, bleeds in GOLDEN.items():
        head = head_phantom(GOLDEN_SEED, bleeds=bleeds, acquisition=GOLDEN_SCAN)
        blood = np.count_nonzero(head.labels_zyx, axis=(1, 2))
        middle = int(blood.argmax()) if bleeds else len(blood) // 2
        inputs = {
            "slab_hu": head.voxels_zyx_hu[middle - 1 : middle + 2][np.newaxis],
            "pixel_spacing_mm": np.full((1, 2), GOLDEN_SCAN.pixel_spacing_mm, np.float32),
        }
        outputs = dict(
            zip(("probability", "mask"), session.run(["probability", "mask"], inputs), strict=True)
        )
        arrays = {f"input.{k}": v for k, v in inputs.items()} | {f"output.{k}": v for k, v in outputs.items()}
        np.savez_compressed(folder / "golden" / f"{name}.npz", **arrays)
        print(f"{name}: probability {float(outputs['probability'][0, 0]):.3f}")


def bind(folder: Path, sha256: str) -> None:
    """Writes the digest into clinical.toml, which binds scope and thresholds to these bytes."""
    path = folder / "clinical.toml"
    path.write_text(re.sub(r'onnx_sha256 = "\w+"', f'onnx_sha256 = "{sha256}"', path.read_text()))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    digest = write_model(target)
    if target == HERE:
        bind(HERE, digest)
        write_golden(HERE)
    print(digest)
