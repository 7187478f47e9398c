"""The options of `edge models evaluate`, checked before anything is loaded or started."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from edge.errors import FixConfiguration
from edge.settings_checks import is_host_port

DEFAULT_GENERATOR = "edge.evaluation.phantoms:heads"
EMBEDDED, ONNX = "embedded", "onnx"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to evaluate; `pictures` is all, synthetic or none, `server` embedded, onnx or host:port."""

    model: str
    out: Path
    cases: Path | None
    labels: Path | None
    phantoms: int
    seed: int
    generator: str
    server: str
    pictures: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ABOUT for what they mean together."""
    parser.add_argument("model", help="folder of the repository")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the report goes")
    parser.add_argument("--cases", type=Path, metavar="FOLDER", help="DICOM series and slices, any depth")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="what is known of them, CSV or TOML")
    parser.add_argument("--phantoms", type=int, default=0, metavar="N", help="synthetic heads to add")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="S", help="of the synthetic heads (default: 1)"
    )
    parser.add_argument(
        "--generator",
        metavar="MODULE:FUNCTION",
        default=DEFAULT_GENERATOR,
        help="draws other synthetic heads",
    )
    parser.add_argument(
        "--server",
        default=EMBEDDED,
        metavar="WHERE",
        help="embedded: a Triton started for this (default); onnx: ONNX Runtime alone; or host:port",
    )
    parser.add_argument(
        "--pictures",
        choices=["synthetic", "all", "none"],
        default="synthetic",
        help="key slices in the page; `all` adds real images, so mind who sees it (default: synthetic)",
    )


def plan_of(args: argparse.Namespace) -> Plan:
    """Raises FixConfiguration for options that contradict each other or name nothing."""
    if args.phantoms < 0 or (args.cases is None and not args.phantoms):
        raise FixConfiguration("there is nothing to evaluate on", hint="Give --cases, --phantoms or both.")
    if args.labels is not None and args.cases is None:
        raise FixConfiguration("--labels describes the cases of --cases", hint="Give --cases too.")
    if args.cases is not None and not args.cases.is_dir():
        raise FixConfiguration("--cases is no folder", hint="Name the folder that holds the DICOM files.")
    if args.server not in (EMBEDDED, ONNX) and not is_host_port(args.server):
        raise FixConfiguration(f"--server {args.server} is unknown", hint="embedded, onnx or host:port.")
    return Plan(
        model=args.model,
        out=args.out,
        cases=args.cases,
        labels=args.labels,
        phantoms=args.phantoms,
        seed=args.seed,
        generator=args.generator,
        server=args.server,
        pictures=args.pictures,
    )


ABOUT = """Every case takes the agent's path: DICOM files, reader, scope, slabs, Triton, operating points.
The report has sensitivity, specificity, ROC, calibration, volume errors and seconds per slice, each
with its interval, and the command that gives it again. A labels file has the columns
  id,findings,volume_ml,group,synthetic
where id is a Series or SOP Instance UID, or the path of a file or folder below --cases; findings are types
of bleeding or keys of the model, such as `subdural epidural`, `any` for unknown types, empty or `none` for
no blood; any other word is refused. The rest may be absent.
Series without a label are judged and listed, but count for nothing. Names of files and UIDs stay out
of the report; groups do not.

A generator is a function of (count, seed) that yields edge.evaluation.phantoms.SyntheticHead."""
