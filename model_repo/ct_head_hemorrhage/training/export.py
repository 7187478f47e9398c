"""Writes 1/model.onnx from a checkpoint, checks it against PyTorch and times it; then golden cases.

`python -m model_repo.ct_head_hemorrhage.training.export runs/one/checkpoint.pt [folder]`.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch

from edge.imaging.phantom import Acquisition, Bleed, BleedType, head_phantom
from model_repo.ct_head_hemorrhage.training.network import Bleeds
from model_repo.ct_head_hemorrhage.training.served import Served

HERE = Path(__file__).resolve().parents[1]
OPSET = 18
NAMES = (("slab_hu", "pixel_spacing_mm"), ("probability", "mask"))
GOLDEN_SEED = 7
COARSE = Acquisition(rows=128, columns=128, pixel_spacing_mm=1.8, slices=30, spacing_mm=5.0)
# As scanners send them; without noise, which does not compress.
FINE = Acquisition(rows=512, columns=512, pixel_spacing_mm=0.45, slices=30, spacing_mm=5.0, noise_hu=0.0)
GOLDEN = {
    "canary": (COARSE, (Bleed(BleedType.INTRAPARENCHYMAL, 30.0),)),
    "epidural": (COARSE, (Bleed(BleedType.EPIDURAL, 30.0),)),
    "no_bleed": (COARSE, ()),
    "subdural_512": (FINE, (Bleed(BleedType.SUBDURAL, 60.0),)),
}
LICENCE = {
    "license": "Apache-2.0",
    "title": "ct_head_hemorrhage: research use, not for clinical use",
    "provenance": "synthetic blood in synthetic heads, in ct-template and in dcm_qa_ct (both BSD-2-Clause, "
    "Copyright (c) Chris Rorden); no real bleed",
}


def served(checkpoint: Path) -> Served:
    """The averaged weights of a run, ready to answer."""
    network = Bleeds()
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    return Served(network).eval()


def write(model: Served, path: Path) -> str:
    """Writes the graph and returns its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    example = (torch.zeros(2, 3, 300, 260, dtype=torch.int16), torch.full((2, 2), 0.7))
    example[0][:, :, 60:200, 50:60] = 900
    axes = {
        "slab_hu": {0: "N", 2: "Y", 3: "X"},
        "pixel_spacing_mm": {0: "N"},
        "probability": {0: "N"},
        "mask": {0: "N", 2: "Y", 3: "X"},
    }
    torch.onnx.export(
        model,
        example,
        str(path),
        input_names=list(NAMES[0]),
        output_names=list(NAMES[1]),
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )
    graph = onnx.load(str(path))
    onnx.checker.check_model(graph, full_check=True)
    graph.producer_name, graph.doc_string = "edge", ""
    onnx.helper.set_model_props(graph, LICENCE)
    data = graph.SerializeToString(deterministic=True)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def session(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compare(model: Served, path: Path) -> None:
    """Raises AssertionError where ONNX Runtime answers otherwise than PyTorch."""
    runtime, rng = session(path, 1), np.random.default_rng(0)
    for n, rows, columns, spacing in ((1, 512, 512, 0.45), (3, 128, 160, 1.6), (2, 301, 257, 0.8)):
        scan = Acquisition(rows=rows, columns=columns, pixel_spacing_mm=spacing, slices=3, spacing_mm=5.0)
        head = head_phantom(11, bleeds=(Bleed(BleedType.SUBDURAL, 60.0),), acquisition=scan)
        slab = np.stack([head.voxels_zyx_hu] * n) + rng.integers(-9, 9, (n, 1, 1, 1))
        feed = {"slab_hu": slab.astype(np.int16), "pixel_spacing_mm": np.full((n, 2), spacing, np.float32)}
        probability, mask = runtime.run(list(NAMES[1]), feed)
        with torch.no_grad():
            wanted = model(torch.from_numpy(feed["slab_hu"]), torch.from_numpy(feed["pixel_spacing_mm"]))
        apart = float(np.abs(probability - wanted[0].numpy()).max())
        bytes_apart = int(np.abs(mask.astype(int) - wanted[1].numpy().astype(int)).max())
        print(f"{rows}x{columns}: probability apart {apart:.2g}, mask {bytes_apart} of 255")
        if apart > 1e-3 or bytes_apart > 2:
            raise AssertionError("ONNX Runtime and PyTorch disagree")


def clock(path: Path) -> None:
    """Prints ms a slice of 512x512."""
    feed = {
        "slab_hu": np.random.default_rng(0).integers(-1000, 900, (1, 3, 512, 512)).astype(np.int16),
        "pixel_spacing_mm": np.full((1, 2), 0.45, np.float32),
    }
    for threads in (1, 2):
        runtime, times = session(path, threads), []
        for _ in range(12):
            start = time.perf_counter()
            runtime.run(None, feed)
            times.append(1000 * (time.perf_counter() - start))
        print(f"{threads} threads: median {np.median(times[2:]):.0f} ms, least {min(times):.0f} ms a slice")


def write_golden(folder: Path) -> None:
    """What ONNX Runtime says of a few slabs from synthetic heads; see edge/triton/canary.py."""
    runtime = session(folder / "1" / "model.onnx", 1)
    (folder / "golden").mkdir(exist_ok=True)
    for name, (scan, bleeds) in GOLDEN.items():
        head = head_phantom(GOLDEN_SEED, bleeds=bleeds, acquisition=scan)
        blood = np.count_nonzero(head.labels_zyx, axis=(1, 2))
        middle = int(blood.argmax()) if bleeds else len(blood) // 2
        inputs = {
            "slab_hu": head.voxels_zyx_hu[middle - 1 : middle + 2][np.newaxis],
            "pixel_spacing_mm": np.full((1, 2), scan.pixel_spacing_mm, np.float32),
        }
        outputs = dict(zip(NAMES[1], runtime.run(list(NAMES[1]), inputs), strict=True))
        arrays = {f"input.{k}": v for k, v in inputs.items()} | {f"output.{k}": v for k, v in outputs.items()}
        np.savez_compressed(folder / "golden" / f"{name}.npz", **arrays)
        print(f"{name}: probability {np.round(outputs['probability'][0], 3).tolist()}")


if __name__ == "__main__":
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else HERE
    torch.set_num_threads(1)
    trained = served(Path(sys.argv[1]))
    digest = write(trained, target / "1" / "model.onnx")
    compare(trained, target / "1" / "model.onnx")
    clock(target / "1" / "model.onnx")
    write_golden(target)
    print(f"{digest}: `operating_points --write` binds clinical.toml to it, with points of its own")
