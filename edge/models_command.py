"""`edge models`: what stands in the model repository, and what can be done with it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from edge.errors import FixConfiguration
from edge.settings import Settings
from edge.settings_source import load_settings

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


def _check(args: argparse.Namespace) -> int:
    from edge.triton.model_check import check_model  # noqa: PLC0415 - commands load only the rooms they use

    settings = effective_settings(args)
    repository = settings.models.repository
    folders = (
        [model_folder(settings, args.model)]
        if args.model
        else sorted(p.parent for p in repository.glob("*/clinical.toml"))
    )
    if not folders:
        raise FixConfiguration(f"{repository} holds no model folder", hint="Set models.repository.")
    for folder in folders:
        check_model(folder)
        say(f"ok  {folder.name}")
    return 0


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
