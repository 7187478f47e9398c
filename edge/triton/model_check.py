"""Whether a model folder keeps its own promises; `edge models check`, and the agent at start."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import onnx

from edge.errors import RefuseModel
from edge.models.contract import ClinicalModel, load_clinical_model
from edge.models.slab_segmentation import MASK, PIXEL_SPACING_MM, PROBABILITY, SLAB_HU
from edge.triton.canary import load_canary
from edge.triton.pbtxt import ModelConfig, read_model_config

Tensors = Mapping[str, tuple[str, tuple[int, ...]]]
_ANY = -1
# ONNX element types in Triton's words.
_TRITON_TYPE: dict[int, str] = {
    onnx.TensorProto.INT16: "INT16",
    onnx.TensorProto.FLOAT: "FP32",
    onnx.TensorProto.UINT8: "UINT8",
}


def check_model(folder: Path) -> ClinicalModel:
    """The contract of a folder in which everything agrees; raises RefuseModel naming file and key.

    Checked: clinical.toml, config.pbtxt and configs/cpu.pbtxt, the ONNX graph's tensors and digest,
    the licence, and that there is a golden case for the canary.
    """
    model = load_clinical_model(folder)
    if model.model.name != folder.name:
        raise RefuseModel(f"{folder / 'clinical.toml'}: model.name is {model.model.name}, not {folder.name}")
    if not model.model.licence.strip():
        raise RefuseModel(f"{folder / 'clinical.toml'}: model.licence is empty")
    path = folder / "1" / "model.onnx"
    inputs, outputs = _graph_tensors(path, model.model.onnx_sha256)
    wanted_inputs, wanted_outputs = contract_tensors(model)
    _agree(f"{path}: input", inputs, wanted_inputs)
    _agree(f"{path}: output", outputs, wanted_outputs)
    gpu = read_model_config(folder / "config.pbtxt")
    if gpu.platform != "tensorrt_plan":
        raise RefuseModel(f"{gpu.path}: platform is {gpu.platform!r}, not 'tensorrt_plan'")
    cpu = read_model_config(folder / "configs" / "cpu.pbtxt")
    if cpu.backend != "python":
        raise RefuseModel(f"{cpu.path}: backend is {cpu.backend!r}, not 'python'")
    if not (folder / "1" / "model.py").exists():
        raise RefuseModel(f"{folder / '1' / 'model.py'} does not exist, which configs/cpu.pbtxt serves")
    _check_config(gpu, model, _plan_inputs(wanted_inputs, gpu), wanted_outputs)
    _check_config(cpu, model, wanted_inputs, wanted_outputs)
    canary = load_canary(folder, deadline_s=1.0)
    if set(canary.case.inputs) != set(inputs) or set(canary.case.outputs) != set(outputs):
        raise RefuseModel(f"{folder / 'golden' / 'canary.npz'}: its tensors are not the model's")
    return model


def contract_tensors(model: ClinicalModel) -> tuple[Tensors, Tensors]:
    """Inputs and outputs of `slab_segmentation` without the batch axis, in Triton's words."""
    findings = len(model.findings)
    return (
        {
            SLAB_HU: ("INT16", (model.tensors.slab_depth, _ANY, _ANY)),
            PIXEL_SPACING_MM: ("FP32", (2,)),
        },
        {PROBABILITY: ("FP32", (findings,)), MASK: ("UINT8", (findings, _ANY, _ANY))},
    )


def _plan_inputs(inputs: Tensors, config: ModelConfig) -> Tensors:
    """TensorRT has no INT16: a plan may take `slab_hu` as FP16, which the client casts to."""
    dims = inputs[SLAB_HU][1]
    fp16 = ("FP16", dims)
    return {**inputs, SLAB_HU: fp16} if config.inputs.get(SLAB_HU) == fp16 else inputs


def _check_config(config: ModelConfig, model: ClinicalModel, inputs: Tensors, outputs: Tensors) -> None:
    if config.name != model.model.name:
        raise RefuseModel(f"{config.path}: name is {config.name!r}, not {model.model.name!r}")
    if config.max_batch_size != model.tensors.max_batch:
        raise RefuseModel(
            f"{config.path}: max_batch_size is {config.max_batch_size}, "
            f"clinical.toml's tensors.max_batch {model.tensors.max_batch}"
        )
    if config.queue_policies:
        raise RefuseModel(
            f"{config.path}: dynamic_batching has priorities or a queue policy",
            hint="They stall Triton's prefetch; the agent has a priority queue of its own.",
        )
    _agree(f"{config.path}: input", config.inputs, inputs)
    _agree(f"{config.path}: output", config.outputs, outputs)


def _graph_tensors(path: Path, sha256: str) -> tuple[Tensors, Tensors]:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise RefuseModel(f"{path} does not exist", hint="Build it with the model's build script.") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise RefuseModel(
            f"{path}: its SHA-256 is {digest}, clinical.toml's model.onnx_sha256 is {sha256}",
            hint="Thresholds belong to one set of weights: look at both before changing either.",
        )
    # Any damage would have changed the digest, so this parses what the model's author parsed.
    graph = onnx.load_model_from_string(data).graph
    return _described(path, list(graph.input)), _described(path, list(graph.output))


def _described(path: Path, values: list[onnx.ValueInfoProto]) -> Tensors:
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for value in values:
        tensor = value.type.tensor_type
        kind = _TRITON_TYPE.get(tensor.elem_type)
        if kind is None:
            raise RefuseModel(f"{path}: {value.name} has ONNX element type {tensor.elem_type}")
        dims = tuple(d.dim_value if d.HasField("dim_value") else _ANY for d in tensor.shape.dim)
        if not dims or dims[0] != _ANY:
            raise RefuseModel(f"{path}: {value.name} has no dynamic batch axis")
        found[value.name] = (kind, dims[1:])
    return found


def _agree(where: str, found: Tensors, wanted: Tensors) -> None:
    for name in wanted.keys() | found.keys():
        if name not in found:
            raise RefuseModel(f"{where} {name} is missing")
        if name not in wanted:
            raise RefuseModel(f"{where} {name} is not part of the contract slab_segmentation")
        if found[name] != wanted[name]:
            raise RefuseModel(f"{where} {name} is {_words(found[name])}, not {_words(wanted[name])}")


def _words(tensor: tuple[str, tuple[int, ...]]) -> str:
    kind, dims = tensor
    return f"{kind} [{', '.join('any' if d == _ANY else str(d) for d in dims)}]"
