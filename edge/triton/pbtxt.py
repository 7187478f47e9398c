"""A Triton model configuration (config.pbtxt) with types, parsed without a server."""

# tritonclient has no stubs and its protobuf classes are made at run time; nothing unknown leaves this file.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from edge.errors import RefuseModel


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Tensors by name: Triton's data type without TYPE_, and dims without the batch axis (-1: any)."""

    path: Path
    name: str
    platform: str
    backend: str
    max_batch_size: int
    inputs: Mapping[str, tuple[str, tuple[int, ...]]]
    outputs: Mapping[str, tuple[str, tuple[int, ...]]]
    queue_policies: bool


def read_model_config(path: Path) -> ModelConfig:
    """Raises RefuseModel naming file, line and key."""
    try:
        parsed = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    except FileNotFoundError as error:
        raise RefuseModel(f"{path} does not exist", hint="Every model folder needs one.") from error
    except text_format.ParseError as error:
        raise RefuseModel(f"{path}:{error}") from error
    batching = parsed.dynamic_batching
    return ModelConfig(
        path=path,
        name=str(parsed.name),
        platform=str(parsed.platform),
        backend=str(parsed.backend),
        max_batch_size=int(parsed.max_batch_size),
        inputs=_tensors(parsed.input),
        outputs=_tensors(parsed.output),
        queue_policies=bool(
            batching.priority_levels
            or batching.HasField("default_queue_policy")
            or batching.priority_queue_policy
        ),
    )


def _tensors(described: Any) -> dict[str, tuple[str, tuple[int, ...]]]:
    kinds = model_config_pb2.DataType
    return {
        str(t.name): (kinds.Name(t.data_type).removeprefix("TYPE_"), tuple(int(d) for d in t.dims))
        for t in described
    }
