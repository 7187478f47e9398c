"""`edge models build`: a model in other precisions, each held against FP32, and its TensorRT plan."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.builder.plan import NoPlan, Site, build_plan, choose, find_site
from edge.builder.precision import Precision
from edge.builder.served_plan import ServedPlan
from edge.builder.session import read_graph
from edge.builder.variants import RECORD, Bench, Say, Trial, Variant, build_variants
from edge.errors import RefuseModel
from edge.ports import Clock
from edge.triton.model_check import check_model

DONE, REFUSED, NO_PLAN = 0, 1, 69  # 69: EX_UNAVAILABLE of sysexits.h


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `edge models build`."""
    parser.add_argument("model", help="folder of the repository")
    parser.add_argument(
        "--precision",
        type=_precisions,
        default=tuple(Precision),
        metavar="LIST",
        help="of fp32,fp16,int8 (default: all)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: <state>/models/<model>")
    parser.add_argument(
        "--plan",
        type=Precision,
        metavar="PRECISION",
        help="variant for the TensorRT plan (default: fp16, else fp32)",
    )
    parser.add_argument(
        "--require-plan", action="store_true", help="exit 69 when no plan can be built here, not 0"
    )
    parser.add_argument(
        "--rollback", action="store_true", help="build nothing: exchange the plan with the one before it"
    )


def build(folder: Path, out: Path, options: argparse.Namespace, clock: Clock, say: Say) -> int:
    """Exit code; raises RefuseModel for a folder that does not keep its own promises."""
    model = check_model(folder)
    if options.rollback:
        say(f"now the plan of {folder.name}: {ServedPlan(folder).rollback(model).title}")
        say("Triton serves it after it has loaded the model again")
        return DONE
    bench = Bench(model, folder, read_graph(folder / "1" / "model.onnx"), Trial(), clock, say)
    asked: set[Precision] = {*options.precision, *([options.plan] if options.plan else [])}
    variants = build_variants(bench, [p for p in Precision if p in asked], out)
    for variant in variants:
        say(described(variant))
    say(f"record: {out / RECORD}")
    planned = plan(bench, variants, out, find_site(), options.plan)
    if isinstance(planned, NoPlan):
        say(f"no TensorRT plan: {planned.reason}. {planned.hint}")
        if options.require_plan:
            return NO_PLAN
    return DONE if all(v.accepted for v in variants) else REFUSED


def plan(
    bench: Bench, variants: tuple[Variant, ...], out: Path, site: Site | NoPlan, wanted: Precision | None
) -> NoPlan | None:
    """Builds and serves the plan where that is possible, else why not."""
    if isinstance(site, NoPlan):
        return site
    chosen = choose(variants, wanted)
    if isinstance(chosen, NoPlan):
        return chosen
    try:
        record = build_plan(bench.model, bench.folder, chosen, out, site, bench.clock, bench.say)
    except RefuseModel as error:
        raise RefuseModel(f"{error}; the served plan is as before", hint=error.advice) from error
    bench.say(f"plan of {bench.folder.name}: {record.title}; Triton serves it after loading the model again")
    return None


def described(variant: Variant) -> str:
    """One line for a variant, and one for each reason against it."""
    if variant.verdict is None:
        return f"{variant.precision}  refused: {variant.refused[0]}"
    verdict, ms = variant.verdict, variant.ms_per_slice or 0.0
    line = (
        f"{variant.precision}  {'ok' if variant.accepted else 'REFUSED'}"
        f"  {variant.byte_size / 1024:.0f} KiB, {ms:.1f} ms a slice of 512x512 on one core here"
        f"; against fp32: {verdict.paged} of {verdict.series} series page,"
        f" volume within {verdict.largest_volume_change:.1%},"
        f" probability within {verdict.largest_probability_change:.4f}"
    )
    reasons = [f"      {reason}" for reason in variant.refused]
    if variant.tensorrt_refused:
        reasons.append(f"      not for TensorRT: {variant.tensorrt_refused}")
    return "\n".join([line, *reasons])


def _precisions(text: str) -> tuple[Precision, ...]:
    try:
        return tuple(Precision(part.strip()) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: choose from {', '.join(Precision)}") from error
