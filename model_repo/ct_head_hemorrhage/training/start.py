"""Weights to go on from: an exported graph, in which every normalisation was folded into its convolution."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from model_repo.ct_head_hemorrhage.training.network import Bleeds

INSIDE = "/network/"


def load_graph(network: Bleeds, graph: Path, hu: Tensor) -> None:
    """Gives the network the weights of a graph that `export` wrote.

    The normalisations are found again by what the convolutions make of the slabs `hu` [N, 3, Y, X], so that
    the network answers as the graph does and can go on learning. Raises KeyError for another network's graph.
    """
    model = onnx.load(str(graph))
    values = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in model.graph.initializer}
    modules = dict(network.named_modules())
    folded: dict[nn.Module, Tensor] = {}
    with torch.no_grad():
        for node in model.graph.node:
            if node.op_type not in ("Conv", "Gemm") or not node.name.startswith(INSIDE):
                continue
            name = _module_name(node.name)
            module = modules[name]
            module.weight.copy_(values[node.input[1]])
            if module.bias is not None:
                module.bias.copy_(values[node.input[2]])
            elif len(node.input) > 2:
                parent, number = name.rsplit(".", 1)
                folded[modules[f"{parent}.{int(number) + 1}"]] = values[node.input[2]]
    _calibrate(network, folded, hu)


def _module_name(node_name: str) -> str:
    """up1.body.0 for "/network/up1/body/body.0/Conv": a sequence repeats the name that it goes by."""
    path = node_name.removeprefix(INSIDE).split("/")[:-1]
    after = [*path[1:], ""]
    return ".".join(p for p, following in zip(path, after, strict=True) if not following.startswith(f"{p}."))


def _calibrate(network: Bleeds, folded: dict[nn.Module, Tensor], hu: Tensor) -> None:
    def measure(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        variance, mean = torch.var_mean(given[0], (0, 2, 3))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean + folded[norm])

    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    if set(norms) != set(folded):
        raise KeyError(f"{len(folded)} folded normalisations for {len(norms)}")
    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    network.eval()
    with torch.no_grad():
        network(hu)
    network.train()
    for hook in hooks:
        hook.remove()
