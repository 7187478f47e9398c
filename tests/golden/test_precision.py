"""What the converters may not touch, and what TensorRT would not take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge.builder.coordinates import coordinate_nodes
from edge.builder.precision import half, quantized
from edge.builder.session import Session, read_graph
from edge.builder.tensorrt_input import for_tensorrt
from edge.errors import RefuseModel
from edge.golden import load_golden_cases

FOLDER = Path(__file__).resolve().parents[2] / "model_repo" / "ct_head_hyperdensity"
BASELINE = read_graph(FOLDER / "1" / "model.onnx")
CASES = load_golden_cases(FOLDER)
TENSORS = {
    "slab_hu": (TensorProto.INT16, ["N", 3, "Y", "X"]),
    "pixel_spacing_mm": (TensorProto.FLOAT, ["N", 2]),
    "probability": (TensorProto.FLOAT, ["N", 1]),
    "mask": (TensorProto.UINT8, ["N", 1, "Y", "X"]),
}


def graph(*nodes: onnx.NodeProto, weights: tuple[onnx.TensorProto, ...] = ()) -> onnx.ModelProto:
    """A model behind the contract's tensors; `nodes` make `probability` and `mask` of the inputs."""
    values = {n: helper.make_tensor_value_info(n, *spec) for n, spec in TENSORS.items()}
    inputs, outputs = list(values.values())[:2], list(values.values())[2:]
    made = helper.make_graph(list(nodes), "tiny", inputs, outputs, list(weights))
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def node(kind: str, inputs: str, output: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), [output], name=f"n_{output}", **attributes)


AXES = onnx.numpy_helper.from_array(np.array([1]), "channels")


def answering() -> tuple[onnx.NodeProto, ...]:
    """Both outputs from `hu` alone, without a product."""
    return (
        node("ReduceMax", "hu channels", "highest"),
        node("Cast", "highest", "mask", to=TensorProto.UINT8),
        node("GlobalMaxPool", "highest", "most"),
        node("Flatten", "most", "probability"),
    )


def convolving() -> onnx.ModelProto:
    """One convolution, whose answer is then multiplied by the pixel spacing."""
    weights = np.full((1, 3, 3, 3), 1 / 27000, np.float32)
    return graph(
        node("Cast", "slab_hu", "hu", to=TensorProto.FLOAT),
        node("Conv", "hu w", "seen", pads=[1, 1, 1, 1]),
        node("Sigmoid", "seen", "likely"),
        node("ReduceMax", "likely axes", "highest", keepdims=0),
        node("Slice", "pixel_spacing_mm zero one one_axis", "row_mm"),
        node("Mul", "highest row_mm", "probability"),
        node("Mul", "likely c255", "bytes"),
        node("Cast", "bytes", "mask", to=TensorProto.UINT8),
        weights=(
            onnx.numpy_helper.from_array(weights, "w"),
            onnx.numpy_helper.from_array(np.float32(255), "c255"),
            onnx.numpy_helper.from_array(np.array([2, 3]), "axes"),
            onnx.numpy_helper.from_array(np.array([0]), "zero"),
            onnx.numpy_helper.from_array(np.array([1]), "one"),
            onnx.numpy_helper.from_array(np.array([1]), "one_axis"),
        ),
    )


def kinds(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model).graph
    return {v.name: v.type.tensor_type.elem_type for v in (*inferred.value_info, *inferred.input)}


def slab(seed: int) -> dict[str, np.ndarray]:
    hu = np.random.default_rng(seed).integers(-1000, 2000, (1, 3, 32, 32)).astype(np.int16)
    return {"slab_hu": hu, "pixel_spacing_mm": np.ones((1, 2), np.float32)}


def test_where_a_pixel_lies_is_never_computed_in_half_precision() -> None:
    converted = half(BASELINE)
    found = kinds(converted)
    sampling = next(n for n in converted.graph.node if n.op_type == "GridSample")
    assert found[sampling.input[1]] == TensorProto.FLOAT
    readers = [n.op_type for n in converted.graph.node if "pixel_spacing_mm" in n.input]
    assert "Cast" not in readers, "spacing rounded to FP16 moves pixels"


def test_resampling_by_coordinates_stays_in_single_precision() -> None:
    converted = half(BASELINE)
    products = [n for n in converted.graph.node if n.op_type == "MatMul"]
    assert len(products) == 2
    assert {kinds(converted)[i] for n in products for i in n.input} == {TensorProto.FLOAT}


def test_most_of_the_baseline_does_become_half_precision() -> None:
    found = kinds(half(BASELINE)).values()
    assert sum(k == TensorProto.FLOAT16 for k in found) > 3 * sum(k == TensorProto.FLOAT for k in found)


def test_a_network_stays_convertible_when_its_answer_is_multiplied_by_the_spacing() -> None:
    assert "n_seen" not in coordinate_nodes(convolving())
    assert kinds(half(convolving()))["seen"] == TensorProto.FLOAT16


def test_int8_puts_symmetric_quantisation_around_a_convolution() -> None:
    made = quantized(convolving(), [slab(i) for i in range(3)])
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in made.graph.initializer}
    quantizers = [n for n in made.graph.node if n.op_type == "QuantizeLinear"]
    assert quantizers
    for quantizer in quantizers:
        assert constants[quantizer.input[2]].dtype == np.int8
        assert not constants[quantizer.input[2]].any(), "TensorRT takes zero points of 0 only"
    before, after = (Session(m).answer(slab(9))["probability"] for m in (convolving(), made))
    assert np.abs(before - after).max() < 0.02


def test_int8_leaves_products_without_weights_alone_where_there_are_weights() -> None:
    model = convolving()
    i = next(i for i, n in enumerate(model.graph.node) if n.op_type == "Conv")
    model.graph.node[i].input[0] = "resampled"
    model.graph.node.insert(i, node("Transpose", "hu", "turned", perm=[0, 1, 3, 2]))
    model.graph.node.insert(i + 1, node("MatMul", "hu turned", "resampled"))
    made = quantized(model, [slab(i) for i in range(2)])
    producer = {o: n.op_type for n in made.graph.node for o in n.output}
    product = next(n for n in made.graph.node if n.op_type == "MatMul")
    assert {producer[name] for name in product.input} == {"Cast", "Transpose"}
    convolution = next(n for n in made.graph.node if n.op_type == "Conv")
    assert {producer[name] for name in convolution.input[:2]} == {"DequantizeLinear"}


def test_nodes_without_names_are_told_apart() -> None:
    nameless = read_graph(FOLDER / "1" / "model.onnx")
    for one in nameless.graph.node:
        one.name = ""
    assert kinds(half(nameless)) == kinds(half(BASELINE))


def test_a_graph_without_products_is_refused_for_int8() -> None:
    plain = graph(
        node("Cast", "slab_hu", "hu", to=TensorProto.FLOAT),
        *answering(),
        weights=(AXES,),
    )
    with pytest.raises(RefuseModel, match="no Conv"):
        quantized(plain, [slab(1)])


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_the_graph_for_tensorrt_answers_the_same_to_hu_as_fp16(case) -> None:
    rewritten = for_tensorrt(half(BASELINE))
    inputs = {**case.inputs, "slab_hu": case.inputs["slab_hu"].astype(np.float16)}
    assert kinds(rewritten)["slab_hu"] == TensorProto.FLOAT16
    assert case.mismatch(Session(rewritten).answer(inputs)) is None
    assert kinds(BASELINE)["slab_hu"] == TensorProto.INT16, "the model itself stays as it is"


def test_a_graph_that_counts_in_int16_is_refused_for_tensorrt_by_name() -> None:
    counting = graph(
        node("Cast", "slab_hu", "short", to=TensorProto.INT16),
        node("Cast", "short", "hu", to=TensorProto.FLOAT),
        *answering(),
        weights=(AXES,),
    )
    Session(counting)
    with pytest.raises(RefuseModel, match="short is INT16"):
        for_tensorrt(counting)


def test_an_operator_that_wants_integers_is_refused_for_tensorrt() -> None:
    shifting = graph(
        node("BitwiseNot", "slab_hu", "turned"),
        node("Cast", "turned", "hu", to=TensorProto.FLOAT),
        *answering(),
        weights=(AXES,),
    )
    Session(shifting)
    with pytest.raises(RefuseModel, match=r"slab_hu cannot be FP16.*BitwiseNot"):
        for_tensorrt(shifting)
