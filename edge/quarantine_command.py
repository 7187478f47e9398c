"""`edge quarantine`: the instances that could not be read, without a word of what is in them."""

from __future__ import annotations

import argparse
import os

from edge.settings_source import load_settings
from edge.spool.quarantine import FOLDER, entries

_MIB = 1024**2
_LIST = """One line each, oldest first: when, the token that names its two files, its size, the reason.
The folder holds <token>.dcm with the bytes as they came - patient data - and <token>.json with this line.
The reasons are explained in edge/dicom/CONFORMANCE.md, section 7. To read an instance again once its
cause is mended: `edge send --folder` with a copy of it."""


def add_subcommands(quarantine: argparse.ArgumentParser) -> None:
    """`list`, with `command` set as the command line expects it."""
    actions = quarantine.add_subparsers(title="actions", required=True, metavar="ACTION")
    text = "what could not be read, and why"
    sub = actions.add_parser(
        "list",
        help=text,
        description=f"{text}\n\n{_LIST}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub.set_defaults(command=_list)


def _list(args: argparse.Namespace) -> int:
    settings = load_settings(args.config, os.environ)
    state_dir, most_mib = settings.appliance.state_dir, settings.reading.quarantine_mib
    found = entries(state_dir)
    for entry in found:
        print(f"{entry.at}  {entry.instance}  {entry.size_bytes:>10}  {entry.reason}")
    held_mib = sum(e.size_bytes for e in found) / _MIB
    print(f"{len(found)} instances, {held_mib:.1f} of {most_mib} MiB, in {state_dir / FOLDER}")
    return 0
