"""`edge ledger`: the agent's memory checked, copied, put back and told."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge import prune_command
from edge.clock import SystemClock
from edge.errors import FixConfiguration
from edge.settings_source import load_settings
from edge.spool.audit import Verified, verify
from edge.spool.identity_key import appliance_key
from edge.spool.ledger_copy import back_up, put_back, reading_ledger
from edge.spool.ledger_rows import time_text
from edge.spool.restoring import REPLACED
from edge.spool.timeline import trail_lines

Command = Callable[[argparse.Namespace], int]
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

_VERIFY = """Reads the trail link by link, holds every outcome, alert and message, what became of each and
where every followed alert stands against what the trail says of it, and the end of the trail
against its mark. Exit code 1 names the first fault.
The head that is printed (number:link) can be noted down elsewhere: a trail that was set back
as a whole no longer has it."""
_BACKUP = """Online: the agent may write meanwhile, the copy is the state of one moment. FILE is there wholly
or not at all. It holds Series Instance UIDs; keep it as the state folder is kept. Without
identity.key, which is not in it, nobody can verify it: keep that apart, in a safe place."""
_RESTORE = f"""The agent must be stopped. The ledger that was there is kept as {REPLACED} in the state
folder. A copy that is older than what this appliance got to is refused unless --accept-older
says that this is meant. Killed at any moment, it leaves the old ledger or the new one: start the
agent, or restore again."""
_EXPORT = """One JSON object per row of the trail on standard output: number, at, series (a token), what,
subject, detail, link. No identifiers."""


def add_subcommands(ledger: argparse.ArgumentParser) -> None:
    """`verify` and its neighbours, each with `command` set as the command line expects it."""
    actions = ledger.add_subparsers(title="actions", required=True, metavar="ACTION")

    def add(name: str, command: Command, text: str, more: str) -> argparse.ArgumentParser:
        sub = actions.add_parser(
            name,
            help=text,
            description=f"{text}\n\n{more}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(command=command)
        return sub

    add("verify", _verify, "whether the ledger is what the appliance wrote", _VERIFY)
    backup = add("backup", _backup, "copy the ledger while the agent runs", _BACKUP)
    backup.add_argument("file", type=Path, metavar="FILE", help="replaced when it is there")
    restore = add("restore", _restore, "put a copy in the place of the ledger", _RESTORE)
    restore.add_argument("file", type=Path, metavar="FILE", help="a file of edge ledger backup")
    restore.add_argument("--accept-older", action="store_true", help="take it although later work is lost")
    prune = add("prune", _prune, "what retention would remove now, and what stays", prune_command.ABOUT)
    prune.add_argument("--dry-run", action="store_true", required=True, help="only show; the agent removes")
    export = add("export", _export, "the trail as JSON lines, for audit", _EXPORT)
    export.add_argument(
        "--since",
        type=_moment,
        metavar="WHEN",
        help="an ISO 8601 time (UTC unless it says otherwise), or 30m, 24h, 7d ago",
    )


def _prune(args: argparse.Namespace) -> int:
    for line in prune_command.lines(load_settings(args.config, os.environ)):
        print(line)
    return 0


def _verify(args: argparse.Namespace) -> int:
    state_dir = _state_dir(args)
    with reading_ledger(state_dir) as connection:
        found = verify(connection, state_dir, appliance_key(state_dir))
    print(_said(found))
    return int(bool(found.broken))


def _backup(args: argparse.Namespace) -> int:
    try:
        found = back_up(_state_dir(args), args.file)
    except OSError as error:
        raise FixConfiguration(
            f"cannot write {args.file}: {error.strerror}", hint="Give it a folder that exists and has room."
        ) from error
    print(f"{args.file}: {_said(found)}")
    return 0


def _restore(args: argparse.Namespace) -> int:
    found = put_back(_state_dir(args), args.file, accept_older=args.accept_older)
    print(f"restored: {_said(found)}; the one before is kept as {REPLACED}")
    return 0


def _export(args: argparse.Namespace) -> int:
    with reading_ledger(_state_dir(args)) as connection:
        for line in trail_lines(connection, args.since or ""):
            print(json.dumps(line, ensure_ascii=False))
    return 0


def _said(found: Verified) -> str:
    if found.broken:
        return f"BROKEN after {found.length} links: {found.broken}"
    return f"intact, {found.length} links, head {found.length}:{found.head[:32]}"


def _moment(text: str) -> str:
    ago = re.fullmatch(r"(\d+)([mhd])", text)
    if ago is not None:
        return time_text(SystemClock().utc() - timedelta(**{_UNITS[ago[2]]: int(ago[1])}))
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 2026-05-01T03:00, or 30m, 24h, 7d") from error
    return time_text(at if at.tzinfo else at.replace(tzinfo=UTC))


def _state_dir(args: argparse.Namespace) -> Path:
    return load_settings(args.config, os.environ).appliance.state_dir
