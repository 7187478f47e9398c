"""`edge models`: what stands in the model repository, and what can be done with it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from edge.errors import FixConfiguration
from edge.settings import Settings
from edge.settings_source import load_settings

_EMBEDDED = "embedded"
Command = Callable[[argparse.Namespace], int]


def add_subcommands(models: argparse.ArgumentParser) -> None:
    """`check` and its neighbours, each with `command` set as the command line expects it."""
    actions = models.add_subparsers(title="actions", required=True, metavar="ACTION")

    def add(name: str, command: Command, text: str, more: str = "") -> argparse.ArgumentParser:
        sub = actions.add_parser(
            name,
            help=text,
            description=f"{text}\n\n{more}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(command=command)
        return sub

    check = add("check", _check, "tensors, digests, licence and scope of a model folder must agree")
    check.add_argument("model", nargs="?", help="one folder of the repository (default: all)")
    check.add_argument(
        "--server",
        nargs="?",
        const=_EMBEDDED,
        metavar="WHERE",
        help="ask the golden cases of a real Triton too: embedded (default, started for this) or host:port,"
        " which without MODEL is asked what it serves",
    )
    add("list", _list, "what the repository holds, and what Triton serves of it")
    from edge.build_command import add_arguments  # noqa: PLC0415 - see _check

    add_arguments(add("build", _build, "other precisions, held against FP32, and the TensorRT plan", _BUILD))
    from edge.evaluation import command as evaluation  # noqa: PLC0415 - see _check

    evaluate = add("evaluate", _evaluate, "run a model on known cases and write a report", evaluation.ABOUT)
    evaluation.add_arguments(evaluate)


def model_folder(settings: Settings, name: str) -> Path:
    """The folder of one model; raises FixConfiguration when the repository has none of that name."""
    folder = settings.models.repository / name
    if not (folder / "clinical.toml").is_file():
        known = sorted(p.parent.name for p in settings.models.repository.glob("*/clinical.toml"))
        raise FixConfiguration(
            f"{settings.models.repository} holds no model {name}",
            hint=f"It holds {', '.join(known)}." if known else "Set models.repository.",
        )
    return folder


def model_folders(settings: Settings) -> list[Path]:
    """Every model folder; raises FixConfiguration when there is none."""
    folders = sorted(p.parent for p in settings.models.repository.glob("*/clinical.toml"))
    if not folders:
        raise FixConfiguration(
            f"{settings.models.repository} holds no model folder", hint="Set models.repository."
        )
    return folders


def _check(args: argparse.Namespace) -> int:
    from edge.clock import SystemClock  # noqa: PLC0415 - commands load only the rooms they use
    from edge.model_check_command import check, refuse_unless_server  # noqa: PLC0415 - see above

    settings = effective_settings(args)
    refuse_unless_server(args.server, settings)
    folders = [model_folder(settings, args.model)] if args.model else model_folders(settings)
    check(folders, args.server, settings, SystemClock(), say, named=args.model is not None)
    return 0


def _list(args: argparse.Namespace) -> int:
    from edge.list_command import listing  # noqa: PLC0415 - see _check

    settings = effective_settings(args)
    for line in listing(settings, model_folders(settings)):
        say(line)
    return 0


def _build(args: argparse.Namespace) -> int:
    from edge.build_command import build  # noqa: PLC0415 - see _check
    from edge.clock import SystemClock  # noqa: PLC0415 - see _check
    from edge.list_command import variants_folder  # noqa: PLC0415 - see _check

    settings = effective_settings(args)
    folder = model_folder(settings, args.model)
    return build(folder, args.out or variants_folder(settings, folder.name), args, SystemClock(), say)


def _evaluate(args: argparse.Namespace) -> int:
    from edge.clock import SystemClock  # noqa: PLC0415 - see _check
    from edge.evaluation.command import plan_of  # noqa: PLC0415 - see _check
    from edge.evaluation.run import evaluate  # noqa: PLC0415 - see _check

    settings = effective_settings(args)
    model_folder(settings, args.model)
    plan = plan_of(args)
    evaluate(plan, settings, SystemClock(), say)
    say(f"report.json and report.html are in {plan.out}")
    return 0


def effective_settings(args: argparse.Namespace) -> Settings:
    """What `--config`, the environment and the defaults add up to."""
    return load_settings(args.config, os.environ)


def say(line: str) -> None:
    """One line of progress or result, at once."""
    print(line, flush=True)


_BUILD = """Makes FP16 and INT8 (Q/DQ, calibrated on synthetic heads) of the model's ONNX on the CPU and holds
each against FP32: golden cases answered, pages equal on every synthetic series of the test set, volumes
within 5 %. A variant that fails is refused by name, with the numbers, and not written.
Where a GPU and TensorRT (10.3 to 11) are present, the plan is built in a child process and must answer
the golden cases before it becomes 1/model.plan; the one before it is kept for --rollback.

exit codes: 0 done, with the plan or a line that says why there is none; 1 a variant was refused;
69 no plan although --require-plan; 78 the model or its plan was refused, what is served is as before"""
