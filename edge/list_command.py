"""`edge models list`: what the repository holds, in which precisions, and what Triton serves of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.builder.served_plan import ServedPlan
from edge.builder.variants import RECORD
from edge.errors import RefuseModel, RetryPeer
from edge.models.contract import (
    ClinicalModel,
    FindingTable,
    MeasuredPoint,
    MeasuredTable,
    OperatingPointTable,
    ScopeTable,
)
from edge.models.slab_segmentation import SLAB_HU
from edge.settings import Settings
from edge.triton.client import TritonServer
from edge.triton.grpc_channel import ModelMetadata
from edge.triton.model_check import check_model

_TENSORRT = "tensorrt_plan"


@dataclass(frozen=True, slots=True)
class Serving:
    """What Triton at one address says of one model: how it serves it, or why it does not."""

    metadata: ModelMetadata | None
    reason: str


def listing(settings: Settings, folders: Sequence[Path]) -> Iterator[str]:
    """Lines for a person; a folder that contradicts itself is listed with what is wrong."""
    serving = asyncio.run(_asked(settings, [f.name for f in folders]))
    for folder in folders:
        active = "  (active)" if folder.name == settings.models.active else ""
        try:
            model = check_model(folder)
        except RefuseModel as error:
            yield f"{folder.name}{active}"
            yield f"  REFUSED    {error}"
            continue
        yield f"{folder.name} {model.model.version}{active}"
        yield f"  is         {model.model.title}"
        yield f"  digest     ok, {model.model.onnx_sha256[:12]}; licence {model.model.licence}"
        yield f"  scope      {scope(model.scope)}"
        for finding in model.findings:
            yield f"  finding    {points(finding)}"
        yield f"  measured   {measured(model.measured)}"
        yield f"  precision  {precisions(model, variants_folder(settings, folder.name))}"
        yield f"  plan       {plan(ServedPlan(folder), model)}"
        yield f"  triton     {settings.triton.grpc_url} {served(serving[folder.name], ServedPlan(folder))}"


def variants_folder(settings: Settings, model: str) -> Path:
    """Where `edge models build` keeps what it made; the repository itself may be read-only."""
    return settings.appliance.state_dir / "models" / model


def scope(table: ScopeTable) -> str:
    """The scope on one line."""
    low, high = table.slice_thickness_mm
    return ", ".join(
        (
            "/".join(sorted(table.modalities)),
            "/".join(sorted(table.body_parts)),
            f"{table.orientation} within {table.max_tilt_deg:g} degrees",
            "with contrast" if table.contrast else "no contrast",
            f"{low:g}-{high:g} mm",
            f"age {table.min_age_years:g} and over",
        )
    )


def points(finding: FindingTable) -> str:
    """Both operating points of one finding on one line."""
    page, worklist = _point(finding.page), _point(finding.worklist)
    return f"{finding.key} ({finding.urgency}): page {page}; worklist {worklist}"


def measured(table: MeasuredTable | None) -> str:
    """How often the points are right, and on what that was seen."""
    if table is None:
        return "nothing that clinical.toml knows of"
    return f"page {_shares(table.page)}; worklist {_shares(table.worklist)}; on {table.on}"


def precisions(model: ClinicalModel, folder: Path) -> str:
    """What the last build here made of this very graph."""
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text())
    except (FileNotFoundError, ValueError):
        return f"fp32; no others built here (edge models build {model.model.name})"
    if record.get("onnx_sha256") != model.model.onnx_sha256:
        return "fp32; the variants built here are of another graph"
    made: dict[str, dict[str, Any]] = record["variants"]
    words = [f"{name} {'ok' if v['accepted'] else 'refused'}" for name, v in made.items() if name != "fp32"]
    return ", ".join(["fp32", *words])


def plan(kept: ServedPlan, model: ClinicalModel) -> str:
    """The TensorRT plan of the folder, if there is one that its record knows."""
    if not kept.present:
        return "none"
    record = kept.record
    title, why = record.title if record is not None else "unknown", kept.stale(model)
    return f"{title}; STALE, {why}: build it anew" if why else title


def served(found: Serving, kept: ServedPlan) -> str:
    """How Triton serves the model."""
    if found.metadata is None:
        return f"does not serve it: {found.reason}"
    taken = found.metadata.inputs.get(SLAB_HU, "?")
    if found.metadata.platform != _TENSORRT:
        return f"serves it in fp32 on ONNX Runtime ({found.metadata.platform} backend), {SLAB_HU} as {taken}"
    precision = kept.record.precision if kept.record is not None else "unknown precision"
    return f"serves it in {precision} on TensorRT, {SLAB_HU} as {taken}"


async def _asked(settings: Settings, models: Sequence[str]) -> dict[str, Serving]:
    # Inline tensors: a second client must not sweep the agent's shared memory.
    server = TritonServer(settings.triton.grpc_url, shared_memory=False, in_flight=1)
    found: dict[str, Serving] = {}
    try:
        for model in models:
            found[model] = await _serving(server, model)
    finally:
        await server.close()
    return found


async def _serving(server: TritonServer, model: str) -> Serving:
    try:
        metadata = await server.metadata(model)
    except (RetryPeer, RefuseModel) as error:
        return Serving(None, str(error))
    if not await server.ready(model):
        return Serving(None, "loaded, but not ready")
    return Serving(metadata, "")


def _shares(point: MeasuredPoint) -> str:
    shares = (
        ("sensitivity", point.sensitivity, point.sensitivity_interval),
        ("specificity", point.specificity, point.specificity_interval),
    )
    return ", ".join(f"{name} {share:.0%} ({low:.0%}-{high:.0%})" for name, share, (low, high) in shares)


def _point(point: OperatingPointTable) -> str:
    slices = "slice" if point.min_contiguous_slices == 1 else "slices"
    extent = f" and {point.min_extent_mm:g} mm" if point.min_extent_mm else ""
    return (
        f"at {point.probability:g} on {point.min_contiguous_slices} {slices}{extent}"
        f" with {point.min_volume_ml:g} mL"
    )
