from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import RefuseModel
from edge.triton.model_check import check_model

SHIPPED = Path(__file__).resolve().parents[2] / "model_repo" / "ct_head_hyperdensity"
Change = Callable[[Path], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / SHIPPED.name))


def replacing(file: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new))

    return change


def removing(file: str) -> Change:
    return lambda folder: (folder / file).unlink()


def appending(file: str, data: bytes) -> Change:
    def change(folder: Path) -> None:
        with (folder / file).open("ab") as opened:
            opened.write(data)

    return change


def test_the_shipped_model_passes(folder: Path) -> None:
    assert check_model(folder).model.name == "ct_head_hyperdensity"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (removing("clinical.toml"), "clinical.toml"),
        (replacing("clinical.toml", 'licence = "Apache-2.0"', 'licence = " "'), "model.licence"),
        (replacing("clinical.toml", "slab_depth = 3", "slab_depth = 5"), "model.onnx: input slab_hu"),
        (replacing("clinical.toml", "max_batch = 8", "max_batch = 4"), "max_batch_size"),
        (replacing("clinical.toml", "ct_head_hyperdensity", "another"), "model.name"),
        (removing("1/model.onnx"), "model.onnx"),
        (appending("1/model.onnx", b"\0"), "onnx_sha256"),
        (removing("1/model.py"), "model.py"),
        (removing("config.pbtxt"), "config.pbtxt"),
        (removing("configs/cpu.pbtxt"), "cpu.pbtxt"),
        (replacing("config.pbtxt", "tensorrt_plan", "onnxruntime_onnx"), "platform"),
        (replacing("configs/cpu.pbtxt", 'backend: "python"', 'backend: "onnxruntime"'), "backend"),
        (replacing("configs/cpu.pbtxt", "TYPE_INT16", "TYPE_INT32"), "cpu.pbtxt: input slab_hu"),
        (replacing("configs/cpu.pbtxt", "TYPE_INT16", "TYPE_FP16"), "cpu.pbtxt: input slab_hu"),
        (replacing("config.pbtxt", "TYPE_FP16", "TYPE_FP32"), "config.pbtxt: input slab_hu"),
        (replacing("config.pbtxt", "dims: [ 3, -1, -1 ]", "dims: [ 3, 512, 512 ]"), "slab_hu"),
        (replacing("config.pbtxt", '"mask"', '"masque"'), "mas"),
        (replacing("config.pbtxt", "max_batch_size: 8", "max_batch_size: eight"), "config.pbtxt:4"),
        (appending("config.pbtxt", b"dynamic_batching { priority_levels: 2 }\n"), "dynamic_batching"),
        (removing("golden/canary.npz"), "canary.npz"),
    ],
)
def test_a_folder_that_contradicts_itself_is_refused_by_name(
    folder: Path, change: Change, named: str
) -> None:
    change(folder)
    with pytest.raises(RefuseModel, match=named.replace(".", r"\.")):
        check_model(folder)


def test_a_plan_may_take_hu_as_int16_too(folder: Path) -> None:
    replacing("config.pbtxt", "TYPE_FP16", "TYPE_INT16")(folder)
    check_model(folder)


def test_other_weights_under_the_right_digest_are_still_not_the_contract(folder: Path) -> None:
    onnx = folder / "1" / "model.onnx"
    data = onnx.read_bytes().replace(b"probability", b"likeliness!")
    onnx.write_bytes(data)
    toml = folder / "clinical.toml"
    old = hashlib.sha256((SHIPPED / "1" / "model.onnx").read_bytes()).hexdigest()
    toml.write_text(toml.read_text().replace(old, hashlib.sha256(data).hexdigest()))
    with pytest.raises(RefuseModel, match="output"):
        check_model(folder)
