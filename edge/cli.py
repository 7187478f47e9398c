"""The command `edge`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from edge import __version__
from edge.command_texts import PAGER, UP
from edge.errors import EdgeError, FixConfiguration, RefuseModel, RejectInput
from edge.settings import Settings
from edge.settings_source import load_settings

# sysexits.h, as far as it has a word for it.
_EX_DATAERR, _EX_UNAVAILABLE, _EX_CONFIG = 65, 69, 78
_EPILOG = """exit codes: 0 done; 1 a check failed; 2 wrong usage; 65 bad input; 69 a peer is away or said no;
78 settings or installation must be mended first; 130 interrupted

Research use, not for clinical use."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code; every expected trouble is one line on stderr with a hint."""
    words = sys.argv[1:] if arguments is None else arguments
    args = _parser(words).parse_args(words)
    try:
        command: Callable[[argparse.Namespace], int] = args.command
        return command(args)
    except EdgeError as error:
        return _code_of(error)
    except KeyboardInterrupt:
        return 130
    except ExceptionGroup as group:
        # A task group wraps what its tasks raised; trouble with a name is told as if it came alone.
        named = group.subgroup(EdgeError)
        if named is None:
            raise
        return _code_of(_first(named))


def _first(group: ExceptionGroup[Exception]) -> EdgeError:
    inner = group.exceptions[0]
    if isinstance(inner, ExceptionGroup):
        return _first(cast("ExceptionGroup[Exception]", inner))
    assert isinstance(inner, EdgeError)
    return inner


def _code_of(error: EdgeError) -> int:
    if isinstance(error, FixConfiguration | RefuseModel):
        return _fail(error, _EX_CONFIG)
    return _fail(error, _EX_DATAERR if isinstance(error, RejectInput) else _EX_UNAVAILABLE)


def _fail(error: EdgeError, code: int) -> int:
    hint = f" Hint: {error.advice}" if error.advice else ""
    print(f"edge: {error}.{hint}", file=sys.stderr)
    return code


def _up(args: argparse.Namespace) -> int:
    from edge.up import run_appliance  # noqa: PLC0415 - commands load only the rooms they use

    environment = dict(os.environ)
    if args.config is not None:
        environment["EDGE_CONFIG"] = str(args.config.resolve())
    run_appliance(_settings(args), environment, _say)
    return 0


def _demo(args: argparse.Namespace) -> int:
    from edge.demo import run_demo  # noqa: PLC0415 - see _up

    run_demo(dict(os.environ), _say)
    return 0


def _receive(args: argparse.Namespace) -> int:
    from edge.receiver_wiring import run_receiver  # noqa: PLC0415 - see _up

    run_receiver(_settings(args), args.workers)
    return 0


def _run(args: argparse.Namespace) -> int:
    from edge.wiring import run_agent  # noqa: PLC0415 - see _up

    run_agent(_settings(args))
    return 0


def _send(args: argparse.Namespace) -> int:
    from edge.clock import SystemClock  # noqa: PLC0415 - see _up
    from edge.dicom.send_command import plan_from_arguments  # noqa: PLC0415 - see _up
    from edge.dicom.sender import run  # noqa: PLC0415 - see _up

    try:
        plan = plan_from_arguments(args)
    except ValueError as error:
        raise FixConfiguration(str(error), hint="See edge send --help.") from error
    report = run(plan, clock=SystemClock(), on_progress=lambda sent: print(".", end="", flush=True))
    ended = "aborted as asked" if report.aborted else "released"
    print(f"\n{len(report.instances)} instances sent, association {ended}")
    return 0


def _pager(args: argparse.Namespace) -> int:
    from edge.pager import pager_command  # noqa: PLC0415 - see _up

    return pager_command(args, _settings(args), _say)


def _check(args: argparse.Namespace) -> int:
    from edge.check import diagnose, exit_code, line  # noqa: PLC0415 - see _up
    from edge.clock import SystemClock  # noqa: PLC0415 - see _up
    from edge.diagnosis import Diagnosis  # noqa: PLC0415 - see _up
    from edge.probes import probes  # noqa: PLC0415 - see _up

    settings = _settings(args)
    found: list[Diagnosis] = []
    for diagnosis in diagnose(settings, probes(settings), SystemClock()):
        print(line(diagnosis), flush=True)
        found.append(diagnosis)
    return exit_code(found)


def _print_settings(args: argparse.Namespace) -> int:
    from edge.settings_page import masked, reference  # noqa: PLC0415 - see _up

    print(reference() if args.doc else masked(_settings(args)))
    return 0


def _settings(args: argparse.Namespace) -> Settings:
    return load_settings(args.config, os.environ)


def _say(line: str) -> None:
    print(line, flush=True)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edge",
        description="A CT head goes in over DICOM, and the pager rings over MQTT.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"edge {__version__}")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="edge.toml (default: $EDGE_CONFIG, ./edge.toml, /etc/edge/edge.toml)",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(
        name: str, command: Callable[[argparse.Namespace], int], text: str, more: str = ""
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=text,
            description=f"{text}\n\n{more}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(command=command)
        return sub

    add("up", _up, "run the whole appliance until Ctrl-C", UP)
    add("demo", _demo, "send a synthetic head with a bleed and one without, and show the pages")
    receive = add(
        "receive",
        _receive,
        "run the DICOM receiver alone",
        "Stores what scanners send; everything else is `edge run`.",
    )
    receive.add_argument(
        "--workers",
        type=int,
        choices=range(1, 17),
        metavar="N",
        default=0,
        help="processes that share the port, 1 to 16 (default: dicom.workers)",
    )
    add(
        "run",
        _run,
        "run the agent alone",
        "Decodes, infers, pages. Needs Triton and a broker (see settings).",
    )
    send = add("send", _send, "be a scanner: send phantoms or DICOM files to any AE")
    if "send" in words:  # pydicom and NumPy, as below
        from edge.dicom.send_command import add_arguments  # noqa: PLC0415 - see _up

        add_arguments(send)
    pager = add("pager", _pager, "be a pager: show pages of a role and answer them", PAGER)
    if "pager" in words:  # Paho, as below
        from edge.pager import add_arguments as add_pager_arguments  # noqa: PLC0415 - see _up

        add_pager_arguments(pager)
    add("check", _check, "diagnose ports, disk, Triton, broker, models, clock and last canary, one line each")
    add("settings", _print_settings, "print the effective settings, secrets masked").add_argument(
        "--doc", action="store_true", help="print the reference of every key instead"
    )
    from edge import canary_command, ledger_command, show_command  # noqa: PLC0415 - see _up

    show_command.add_arguments(
        add(
            "show",
            show_command.show,
            "what became of a study or series, on one line of time",
            show_command.ABOUT,
        )
    )
    canary_command.add_arguments(
        add("canary", canary_command.canary, "prove that a page reaches a pager", canary_command.ABOUT)
    )
    ledger = commands.add_parser("ledger", help="verify, back up, restore and export the agent's memory")
    ledger_command.add_subcommands(ledger)
    models = commands.add_parser("models", help="check and evaluate the models of the repository")
    if "models" in words:  # ONNX Runtime and gRPC for its options: 70 MiB that a receiver must not carry
        from edge.models_command import add_subcommands  # noqa: PLC0415 - see _up

        add_subcommands(models)
    from edge import quiet_command, tls_command  # noqa: PLC0415 - see _up

    tls_command.add_subcommands(
        commands.add_parser("tls", help="make and show certificates for DICOM over TLS")
    )
    quiet_command.add_subcommands(
        commands.add_parser("maintenance", help="hold findings back for a while; it ends by itself"),
        commands.add_parser("mute", help="the same for one scanner", description=quiet_command.ABOUT_MUTE),
    )
    quarantine = commands.add_parser("quarantine", help="list the instances that could not be read, and why")
    if "quarantine" in words:  # NumPy, as above
        from edge import quarantine_command  # noqa: PLC0415 - see _up

        quarantine_command.add_subcommands(quarantine)
    return parser
