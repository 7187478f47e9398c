"""A TensorRT plan on this machine: built in a child process, asked the golden cases, then served."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.builder.cuda import NoGpu, find_gpu
from edge.builder.optimisation_profile import profile_of, shapes
from edge.builder.precision import Precision
from edge.builder.served_plan import PlanKey, PlanRecord, ServedPlan, sha256_of
from edge.builder.session import read_graph, write_graph
from edge.builder.tensorrt_input import for_tensorrt
from edge.builder.variants import Variant
from edge.errors import FixConfiguration, RefuseModel
from edge.models.contract import ClinicalModel
from edge.ports import Clock

WORKSPACE_MIB = 2048
MEMORY_HINT = (
    f"Building may take {WORKSPACE_MIB} MiB beside the model: see what is free (nvidia-smi; tegrastats on a"
    " Jetson), stop what shares the GPU, Triton too (the agent then answers on the CPU), and build again."
)
BUILD_S = 3600.0
ANSWER_S = 300.0

Job = Mapping[str, Any]
Child = Callable[[Job, float], dict[str, Any]]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class NoPlan:
    """Why none was built; nothing that is served has changed."""

    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class Site:
    """Where plans are made: `child` runs one TensorRT job in a process of its own."""

    gpu: str
    power_mode: str
    child: Child


def find_site() -> Site | NoPlan:
    """This machine, if it has a GPU and TensorRT; TensorRT itself is not touched here."""
    gpu = find_gpu()
    if isinstance(gpu, NoGpu):
        return NoPlan(gpu.reason, "Run this on the box with the GPU; its plan works nowhere else.")
    if importlib.util.find_spec("tensorrt") is None:
        return NoPlan(
            f"{gpu.name} is here, but Python has no tensorrt",
            "Install the TensorRT of your Triton: pip install 'edge-appliance[tensorrt]', or JetPack's own.",
        )
    return Site(gpu.name, gpu.power_mode, run_child)


def run_child(job: Job, timeout_s: float) -> dict[str, Any]:
    """The reply to one job; raises RefuseModel when TensorRT refuses, crashes or never ends."""
    command = [sys.executable, "-m", "edge.builder.tensorrt_child"]
    try:
        ended = subprocess.run(
            command, input=json.dumps(job), stdout=subprocess.PIPE, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RefuseModel(f"TensorRT took more than {timeout_s:.0f} s to {job['do']}") from error
    try:
        reply: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError) as error:
        # On a Jetson, where GPU and system share their memory, the kernel kills whoever takes too much.
        hint = MEMORY_HINT if ended.returncode == -signal.SIGKILL else ""
        raise RefuseModel(
            f"TensorRT's process ended with {ended.returncode} and no reply", hint=hint
        ) from error
    if "failed" in reply:
        raise RefuseModel(str(reply["failed"]), hint=MEMORY_HINT if reply["memory"] else "")
    return dict(reply["ok"])


def build_plan(
    model: ClinicalModel, folder: Path, variant: Variant, work: Path, site: Site, clock: Clock, say: Say
) -> PlanRecord:
    """The record of the plan now served.

    Raises RefuseModel or, for a read-only repository, FixConfiguration; the served one is as before.
    """
    assert variant.path is not None, "only an accepted variant becomes a plan"
    served = ServedPlan(folder)
    if not os.access(served.path.parent, os.W_OK):
        raise FixConfiguration(
            f"{served.path.parent} is read-only", hint="Build where the model repository can be written to."
        )
    version = str(site.child({"do": "version"}, ANSWER_S)["tensorrt"])
    graph = work / f"{variant.precision}.tensorrt.onnx"
    write_graph(for_tensorrt(read_graph(variant.path)), graph)
    key = PlanKey(
        model.model.onnx_sha256, sha256_of(graph), profile_of(model), version, site.gpu, site.power_mode
    )
    present = served.record
    if present is not None and present.key == key:
        say("the served plan is of this graph, profile, TensorRT and GPU already")
        return present
    say(f"building the {variant.precision} plan with TensorRT {version} on {site.gpu}; this takes minutes")
    plan = work / "candidate.plan"
    job = {
        "do": "build",
        "onnx": str(graph),
        "plan": str(plan),
        "timing_cache": str(work / "timing.cache"),
        "inspector": str(work / "engine.json"),
        "workspace_mib": WORKSPACE_MIB,
        "shapes": shapes(model),
    }
    try:
        site.child(job, BUILD_S)
        asked = site.child({"do": "answer", "plan": str(plan), "model_folder": str(folder)}, ANSWER_S)
        if asked["complaints"] or not asked["cases"]:
            raise RefuseModel(f"the plan answers wrongly: {'; '.join(asked['complaints']) or 'no case'}")
        now = clock.utc().isoformat(timespec="seconds")
        record = PlanRecord(key, variant.precision, sha256_of(plan), now, int(asked["cases"]))
        served.promote(plan, record)
    finally:
        plan.unlink(missing_ok=True)
    return record


def choose(variants: tuple[Variant, ...], wanted: Precision | None) -> Variant | NoPlan:
    """The variant for the plan: the one asked for, else FP16, else FP32; refused ones never."""
    usable = {v.precision: v for v in variants if v.accepted and not v.tensorrt_refused}
    order = [wanted] if wanted else [Precision.FP16, Precision.FP32]
    for precision in order:
        if precision in usable:
            return usable[precision]
    names = " or ".join(order)
    return NoPlan(f"no accepted {names} variant to build it from", "See the refusals above.")
